//! Joining, showing and refusing URLs.

use super::super::address::{Address, host, join};

#[test]
fn paths_are_joined_below_the_base() {
    for (base, path, joined) in [
        ("https://x/v1/", "latest/EUR", "https://x/v1/latest/EUR"),
        ("https://x/v1", "latest/EUR", "https://x/v1/latest/EUR"),
        ("https://x/v1/", "/latest/EUR", "https://x/v1/latest/EUR"),
        ("https://x", "a", "https://x/a"),
        ("https://x/v1", "", "https://x/v1"),
        ("https://x/v1/", "", "https://x/v1/"),
        ("https://x/v1", "?q=1", "https://x/v1?q=1"),
        ("https://x/v1?key=k", "a?q=1", "https://x/v1/a?key=k&q=1"),
        ("https://x/v1?key=k", "a", "https://x/v1/a?key=k"),
        ("https://x/v1/", "a:b", "https://x/v1/a:b"),
        ("https://x/v1/", "http:b", "https://x/v1/http:b"),
        ("https://x/v1/", "a?u=https://y/../", "https://x/v1/a?u=https://y/../"),
        ("https://x/v1/", "https://y/z", "https://y/z"),
        ("https://x/v1/", "HTTPS://y/z", "HTTPS://y/z"),
    ] {
        assert_eq!(join(Some(base), path, false).unwrap(), joined, "{base} + {path}");
    }
    assert_eq!(join(None, "https://y/z", false).unwrap(), "https://y/z");
    let error = join(None, "latest", false).unwrap_err();
    assert_eq!(error.message, "`latest` is not a whole URL, and its source has no `base_url`");
}

#[test]
fn no_path_leaves_the_base() {
    for path in ["../admin", "a/../../b", "%2e%2E/x", ".%2e", "a\\..\\b", "/..", "..#x"] {
        let error = join(Some("https://x/v1/"), path, false).unwrap_err();
        assert!(error.message.ends_with("leaves the source's `base_url`"), "{path}: {error}");
    }
    assert!(join(Some("https://x/v1/"), "a..b/...", false).is_ok());
}

#[test]
fn what_is_shown_has_no_secrets() {
    for (url, hidden, shown) in [
        ("https://u:canary@x:8443/a/b?q=1#f", false, "https://x:8443/a/b?q=1"),
        ("https://canary@x/", false, "https://x/"),
        ("https://x/a?X-Amz-Signature=canary&n=a%20b", false, "https://x/a?X-Amz-Signature=***&n=a+b"),
        (
            "https://x/a?sig=canary&access_token=canary&flag",
            false,
            "https://x/a?sig=***&access_token=***&flag",
        ),
        ("https://x:1/canary?canary=canary", true, "https://x:1/***"),
    ] {
        let address = Address::new(url, hidden).unwrap();
        assert_eq!(address.shown, shown);
        assert!(!address.url.as_str().contains("canary@"));
    }
}

#[test]
fn user_and_password_of_a_url_are_taken_from_it() {
    let address = Address::new("https://u%40d:p%3Aw@x/", false).unwrap();
    assert_eq!(address.login, Some(("u@d".to_owned(), "p:w".to_owned())));
    assert_eq!(address.url.as_str(), "https://x/");
}

#[test]
fn urls_that_cannot_be_asked_are_refused_without_their_secrets() {
    for (url, hidden) in
        [("ftp://u:canary@x/", false), ("http://u:canary@:99999/", false), ("http://x:canary/", true)]
    {
        let error = Address::new(url, hidden).err().unwrap();
        assert!(
            error.message.contains("is not a URL that can be asked") && !error.message.contains("canary"),
            "{error}"
        );
    }
}

#[test]
fn parameters_are_added_and_shown_unless_they_are_secret() {
    let mut address = Address::new("https://x/a?b=1", false).unwrap();
    address.add("day", "1 & 2", false);
    address.add("t", "canary", true);
    address.add("api_key", "canary", false);
    assert_eq!(address.url.as_str(), "https://x/a?b=1&day=1+%26+2&t=canary&api_key=canary");
    assert_eq!(address.shown, "https://x/a?b=1&day=1+%26+2&t=***&api_key=***");
    let mut address = Address::new("https://x/canary", true).unwrap();
    address.add("day", "1", false);
    assert_eq!(address.shown, "https://x/***");
}

#[test]
fn a_hosts_name_has_its_port() {
    for (url, name) in
        [("https://X.example/", "x.example:443"), ("http://[::1]:81/", "[::1]:81"), ("http://x/", "x:80")]
    {
        assert_eq!(host(&Address::new(url, false).unwrap().url), name);
    }
}
