use super::*;
use proptest::prelude::*;

fn named(source: &str) -> (String, Vec<String>) {
    let statement = Statement::read(source, Dialect::Postgres, true).unwrap();
    (statement.text().to_owned(), statement.names().to_owned())
}

fn unchanged(source: &str) {
    assert_eq!(named(source), (source.to_owned(), vec![]), "{source}");
}

#[test]
fn names_become_numbers_and_a_name_keeps_its_number() {
    let (text, names) = named("select * from t where a = :a and b >= :b::date or c = :a");
    assert_eq!(text, "select * from t where a = $1 and b >= $2::date or c = $1");
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn what_looks_like_a_parameter_inside_of_quotes_comments_and_casts_is_none() {
    for source in [
        "select ':a', 'it''s :b'",
        r"select E'\':a', e'\\', ':c'",
        r#"select ":a" from "x"":b""#,
        "select 1 -- :a\n",
        "select 1 /* :a /* :b */ :c */",
        "select $$ :a $$, $tag$ :b $$ :c $tag$",
        "select now()::date, '1'::text::int",
        "select f(x := 1)",
        "select a[1:n], (a)[x:y], a[(1):n] from t",
        "select 'unterminated :a",
        "select $unterminated$ :a",
        "select 1 /* :a",
    ] {
        unchanged(source);
    }
}

#[test]
fn a_string_ends_where_the_server_ends_it() {
    let (text, names) = named(r"select 'back\', :a, E'\\', :b, name'x', :c");
    assert_eq!(text, r"select 'back\', $1, E'\\', $2, name'x', $3");
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn an_identifier_with_a_dollar_opens_no_quote() {
    let (text, _) = named("select a$b$c from t$ where x = :x");
    assert_eq!(text, "select a$b$c from t$ where x = $1");
}

#[test]
fn names_may_be_of_any_script() {
    assert_eq!(named("select :größe, :名").1, ["größe", "名"]);
}

#[test]
fn sqlite_has_its_own_quotes_and_parameters() {
    let read = |source, named| Statement::read(source, Dialect::Sqlite, named).unwrap();
    assert_eq!(read("select [:a], `:b`, :c", true).text(), "select [:a], `:b`, ?1");
    assert_eq!(read("select ?, ?, '?'", false).count(), 2);
    assert_eq!(read("select ?3, $2", false).count(), 3);
    assert_eq!(read("select 1 /* /* */ + :a", true).names(), ["a"]);
}

#[test]
fn numbered_parameters_are_counted() {
    let count = |source| Statement::read(source, Dialect::Postgres, false).unwrap().count();
    assert_eq!(count("select $1, $2, $1, '$9', $q$ $8 $q$"), 2);
    assert_eq!(count("select a ? 'b', :x"), 0);
}

#[test]
fn more_than_one_statement_is_refused_but_a_last_semicolon_is_not() {
    let read = |source| Statement::read(source, Dialect::Postgres, false);
    assert!(read("select 1; select 2").unwrap_err().contains("more than one statement"));
    assert!(read("select 1;\n-- done\n ; ").is_ok());
    assert!(read("select ';'; /* ; */").is_ok());
    assert!(read("create function f() returns int begin atomic select 1; end;").is_ok());
}

#[test]
fn numbers_out_of_range_and_mixed_kinds_are_refused() {
    let read = |source, named| Statement::read(source, Dialect::Sqlite, named);
    assert!(read("select $0", false).is_err());
    assert!(read("select ?99999", false).is_err());
    assert!(read("select $1, :a", true).is_err());
    assert!(read("select ?, ?2", false).is_err());
    assert!(read(" -- nothing\n", false).is_ok());
    assert!(read("  \n", false).is_err());
}

#[test]
fn a_position_is_told_in_the_text_as_written() {
    let source = "select :größe,\n  :a, oops\nfrom t";
    let statement = Statement::read(source, Dialect::Postgres, true).unwrap();
    let position = statement.text().chars().collect::<String>().find("oops").unwrap() + 1;
    assert_eq!(statement.place(position), Some(Place { line: 2, column: 7, text: ":a, oops" }));
    assert_eq!(statement.place(1).unwrap().column, 1);
    assert_eq!(statement.place(10_000).unwrap().line, 3);
    assert_eq!(statement.place(0), None);
}

#[test]
fn the_excerpt_of_a_long_line_is_short() {
    let source = format!("select {}, oops", "x, ".repeat(1000));
    let statement = Statement::read(&source, Dialect::Postgres, false).unwrap();
    let place = statement.place(source.len() - 3).unwrap();
    assert!(place.text.ends_with("oops") && place.text.len() <= 2 * EXCERPT);
}

#[test]
fn statements_that_can_be_prepared_are_known_by_their_first_word() {
    let plannable = |source| Statement::read(source, Dialect::Postgres, false).unwrap().is_plannable();
    assert!(plannable("-- a\n /* b */ ((SELECT 1))"));
    assert!(plannable("with a as (select 1) select * from a"));
    assert!(!plannable("vacuum t"));
    assert!(!plannable("selection"));
}

#[test]
fn a_second_statement_is_refused_whatever_it_begins_with() {
    for second in [":", ":name", "$1", "'", "select 1", "?"] {
        let read = Statement::read(&format!("select 1; {second}"), Dialect::Postgres, true);
        assert!(read.is_err_and(|problem| problem.contains("more than one statement")), "{second}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic_and_kept_where_no_name_is(source in "(\\PC|[:$'\"/*\\-;?\\[\\]`eE\\\\\n]){0,40}") {
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            if let Ok(statement) = Statement::read(&source, dialect, true) {
                for position in 0..statement.text().chars().count() + 3 {
                    let _ = statement.place(position);
                }
                if statement.names().is_empty() {
                    prop_assert_eq!(statement.text(), &source);
                }
            }
        }
    }
}
