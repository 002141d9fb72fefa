use super::super::Folder;
use super::*;
use bytes::Bytes;

const ABC: [&str; 2] =
    ["900150983cd24fb0d6963f7d28e17f72", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"];
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The known answers of both standards.
#[test]
fn digests_are_those_of_the_standards() {
    for (algorithm, hex) in [Algorithm::Md5, Algorithm::Sha256].into_iter().zip(ABC) {
        let mut hashing = Hashing::new(algorithm);
        hashing.add(b"a");
        hashing.add(b"bc");
        let digest = hashing.end();
        assert_eq!((digest.to_string(), digest.algorithm()), (hex.to_owned(), algorithm));
    }
}

#[test]
fn hexadecimal_digits_of_either_case_are_read_and_nothing_else() {
    for hex in ABC {
        let digest = Digest::of_hex(hex).unwrap();
        assert_eq!(digest.to_string(), hex);
        assert_eq!(Digest::of_hex(&hex.to_uppercase()), Some(digest));
        for wrong in [&hex[1..], &format!("{hex}0"), &format!("g{}", &hex[1..]), &format!("ä{}", &hex[2..])]
        {
            assert_eq!(Digest::of_hex(wrong), None, "{wrong}");
        }
    }
    assert_eq!(Digest::of_hex(""), None);
}

/// Held in memory, or written in any order to the disk.
#[test]
fn a_parts_digest_is_that_of_all_its_bytes_wherever_they_are() {
    let target = tempfile::tempdir().unwrap();
    let folder = Folder::open(target.path()).unwrap();
    let digest = |writer: &super::super::PartWriter| writer.digest(Algorithm::Sha256, || true).unwrap();
    let mut held = folder.late_part("held", None);
    assert_eq!(digest(&held.writer()).unwrap().to_string(), NOTHING);
    held.hold(vec![Bytes::from_static(b"ab"), Bytes::from_static(b"c")]).unwrap();
    assert_eq!(digest(&held.writer()).unwrap().to_string(), ABC[1]);
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0, "nothing was written for it");
    let large: Vec<u8> = (0..3_000_001_u32).map(|at| (at / 7) as u8).collect();
    let mut hashing = Hashing::new(Algorithm::Sha256);
    hashing.add(&large);
    let part = folder.part("large", None).unwrap();
    part.writer().write_at(&large[1_000_000..], 1_000_000).unwrap();
    part.writer().write_at(&large[..1_000_000], 0).unwrap();
    assert_eq!(digest(&part.writer()), Some(hashing.end()));
}

#[test]
fn it_stops_when_it_is_asked_to() {
    let target = tempfile::tempdir().unwrap();
    let part = Folder::open(target.path()).unwrap().part("a", None).unwrap();
    part.writer().append(b"abc").unwrap();
    assert_eq!(part.writer().digest(Algorithm::Md5, || false).unwrap(), None);
}
