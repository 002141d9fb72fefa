//! The same lines are found as by OpenSSH's own `ssh-keygen -F`.

use super::*;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::LazyLock;

/// Made once: making them costs more than all the rest.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let kinds = ["ed25519", "ecdsa", "rsa"];
    kinds.iter().map(|kind| key(folder.path(), kind, kind).to_openssh().unwrap()).collect()
});

/// Patterns, of few letters so that some match.
fn pattern() -> impl Strategy<Value = String> {
    prop_oneof!["!?[ab*?]{0,3}", "!?[abAB]{1,2}", r"!?\[[ab*]{1,2}\]:(22|2[*]|2222)"]
}

fn hosts() -> impl Strategy<Value = String> {
    let hashed = ("[ab]{1,2}", any::<[u8; 20]>(), any::<bool>()).prop_map(|(host, salt, with_port)| {
        let host = if with_port { format!("[{host}]:2222") } else { host };
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
        let hash = hmac::sign(&key, host.as_bytes());
        format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(hash))
    });
    let patterns = proptest::collection::vec(pattern(), 1..4).prop_map(|patterns| patterns.join(","));
    // A line can't begin with nothing, and `#` and `@` mean something else there.
    prop_oneof![3 => patterns.prop_filter("nothing", |hosts| !hosts.is_empty()), 1 => hashed]
}

fn known_line() -> impl Strategy<Value = String> {
    let marker = prop_oneof![4 => Just(""), 1 => Just("@revoked "), 1 => Just("@cert-authority  ")];
    let gap = prop_oneof![Just(" "), Just("\t"), Just(" \t ")];
    let comment = prop_oneof![Just(""), Just(" somebody"), Just("\tsome body"), Just("  ")];
    let line = (0..KEYS.len(), marker, hosts(), gap.clone(), gap, comment, "[ \t]{0,2}");
    let line = line.prop_map(|(key, marker, hosts, gap, second, comment, start)| {
        format!("{start}{marker}{hosts}{gap}{}{comment}", KEYS[key].replacen(' ', second, 1))
    });
    let broken = hosts().prop_map(|hosts| format!("{hosts} ssh-ed25519 AAAAC3Nz"));
    let other =
        prop_oneof![Just(String::new()), Just("# a comment".to_owned()), Just("  #".to_owned()), broken];
    prop_oneof![5 => line, 1 => other]
}

/// What `ssh-keygen` finds: the numbers of the lines, and what they are for.
fn found_by_openssh(file: &Path, name: &str) -> Vec<(usize, Marker)> {
    let output = Command::new("ssh-keygen").args(["-l", "-F", name, "-f"]).arg(file).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let found = output.lines().filter_map(|line| line.strip_prefix(&format!("# Host {name} found: line ")));
    found
        .map(|found| match found.trim().split_once(' ') {
            None => (found.trim().parse().unwrap(), Marker::Host),
            Some((line, "CA")) => (line.parse().unwrap(), Marker::Authority),
            Some((line, "REVOKED")) => (line.parse().unwrap(), Marker::Revoked),
            Some(other) => panic!("{other:?}"),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_lines_that_openssh_finds_are_found(
        lines in proptest::collection::vec(known_line(), 0..8),
        host in "[ab]{1,2}",
        port in prop_oneof![Just(22), Just(2222)],
        end in prop_oneof![Just(""), Just("\n")],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        let text = lines.join("\n") + end;
        std::fs::write(&file, &text).unwrap();
        let name = Name::new(&host, port, None);
        let known = read(&text, &host, port);
        let found = known.lines.iter().filter(|line| line.exact).map(|line| (line.place.line, line.marker));
        prop_assert_eq!(found.collect::<Vec<_>>(), found_by_openssh(&file, &name.to_string()));
        if port != 22 {
            let both = found_by_openssh(&file, &host);
            let portless = known.lines.iter().filter(|line| !line.exact);
            prop_assert!(portless.clone().all(|line| both.contains(&(line.place.line, line.marker))));
            prop_assert_eq!(known.lines.len(), {
                let mut all = found_by_openssh(&file, &name.to_string());
                all.extend(both);
                all.sort_by_key(|found| found.0);
                all.dedup();
                all.len()
            });
        }
    }
}
