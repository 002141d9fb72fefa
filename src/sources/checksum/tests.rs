use super::*;
use crate::expr::Globals;
use serde_json::json;

const HEX: &str = "BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn wrong(value: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let table = Table::parse(&format!("sha256 = '{value}'")).unwrap();
    Checksum::check(Some(&Template::parse(value).unwrap()), &table, &mut problems);
    problems.into_iter().map(|problem| problem.message).collect()
}

#[test]
fn what_is_written_out_is_looked_at_before_the_run() {
    let none: Vec<String> = Vec::new();
    assert_eq!((wrong(HEX), wrong("${{ item.sum }}")), (none.clone(), none));
    assert_eq!(wrong(&HEX[1..]), ["`sha256` must be 64 hexadecimal digits, and has 63"]);
    assert_eq!(wrong(&HEX[..32]), ["`sha256` must be 64 hexadecimal digits, and has 32"]);
    assert_eq!(wrong(""), ["`sha256` must be 64 hexadecimal digits, and has 0"]);
    assert_eq!(wrong(&format!("sha256:{HEX}")), ["`sha256` must be 64 hexadecimal digits, and 's' is none"]);
    assert!(wrong("${{ secrets.sum }}")[0].starts_with("`sha256` can't hold a secret"));
}

#[test]
fn what_an_item_says_is_looked_at_when_it_is_known() {
    let of = |sum: &str| {
        let scope = Scope::new(Arc::new(Globals::default())).with_item(json!({ "sum": sum }));
        Checksum::of(&Template::parse("${{ item.sum }}").unwrap(), &scope)
    };
    let checksum = of(&format!(" {HEX}\t")).unwrap();
    assert_eq!((checksum.digest.to_string(), &*checksum.said_by), (HEX.to_lowercase(), "`sha256`"));
    let error = of("").unwrap_err();
    assert_eq!((error.code, error.advice.again), ("expression", false));
    assert!(error.message.contains("has 0"), "{error}");
}
