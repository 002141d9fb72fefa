//! A query's parameters for PostgreSQL: their texts, the types the server expects, and the pieces of SQL through which
//! they reach the query without ever being part of it. Not here: the query (`query`).

use super::array;
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::postgres::types::Oid;

/// The name of the prepared statement; with a number, the settings that hold its parameters.
const NAME: &str = "fanout_query";

/// The parameters of one query; without any, all pieces of SQL are empty.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parameters {
    texts: Vec<Option<String>>,
    types: Vec<Type>,
}

/// A type as the server names it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Type {
    name: String,
    category: String,
}

/// Asks for the names of types. With -1 for the length, `bit` and `character` are not cut to one.
pub(super) async fn types(connection: &mut PgConnection, types: &[Oid]) -> Result<Vec<Type>, sqlx::Error> {
    let query = "select pg_catalog.format_type(t.oid, -1) as name, t.typcategory::text as category \
        from pg_catalog.unnest($1) with ordinality as given(oid, place) \
        join pg_catalog.pg_type t on t.oid = given.oid order by given.place";
    let rows: Vec<(String, String)> = sqlx::query_as(query).bind(types).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(name, category)| Type { name, category }).collect())
}

impl Parameters {
    /// Pairs values and types; says which value can't be a parameter.
    pub(super) fn new(values: &[Value], types: Vec<Type>) -> Result<Parameters, String> {
        if values.len() != types.len() {
            return Err(format!(
                "the query takes {} parameters, but `params` has {}",
                types.len(),
                values.len()
            ));
        }
        let pairs = values.iter().zip(&types).enumerate();
        let texts = pairs.map(|(index, (value, wanted))| {
            text(value, wanted).map_err(|why| format!("parameter {}: {why}", index + 1))
        });
        Ok(Parameters { texts: texts.collect::<Result<_, _>>()?, types })
    }

    /// Binds the texts to settings of the session.
    pub(super) async fn bind(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let query = "select pg_catalog.count(pg_catalog.set_config('fanout_query.p' || place, value, false)) \
            from pg_catalog.unnest($1) with ordinality as given(value, place) where value is not null";
        sqlx::query(query).bind(&self.texts).execute(connection).await.map(|_| ())
    }

    /// What stands before the query.
    pub(super) fn head(&self) -> String {
        if self.texts.is_empty() { String::new() } else { format!("prepare {NAME} as ") }
    }

    /// What stands after the query: its execution, with each value read from its setting and cast.
    pub(super) fn tail(&self) -> String {
        if self.texts.is_empty() {
            return String::new();
        }
        let values: Vec<String> = self.texts.iter().zip(&self.types).zip(1..).map(argument).collect();
        format!("\n; execute {NAME}({})", values.join(", "))
    }

    /// What is done after the transaction's end, so that the next query finds nothing of this one.
    pub(super) fn cleanup(&self) -> String {
        if self.texts.is_empty() {
            return String::new();
        }
        let bound = self.texts.iter().zip(1..).filter(|(text, _)| text.is_some());
        let resets: Vec<String> = bound.map(|(_, number)| format!("; reset {NAME}.p{number}")).collect();
        format!("; deallocate {NAME}{}", resets.concat())
    }
}

fn argument(((text, wanted), number): ((&Option<String>, &Type), usize)) -> String {
    match text {
        Some(_) => format!("pg_catalog.current_setting('{NAME}.p{number}')::{}", wanted.name),
        None => "null".to_owned(),
    }
}

/// The text that the server's own input function of the type reads.
fn text(value: &Value, wanted: &Type) -> Result<Option<String>, String> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) if matches!(wanted.name.as_str(), "json" | "jsonb") => {
            value.to_string()
        }
        Value::Array(elements) if wanted.category == "A" => array::literal(elements),
        Value::Array(_) => return Err(format!("a list, but the server expects {}", wanted.name)),
        Value::Object(_) => return Err(format!("a table, but the server expects {}", wanted.name)),
    };
    if text.contains('\0') {
        return Err("a NUL character, which PostgreSQL's text can't hold".to_owned());
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind(name: &str, category: &str) -> Type {
        Type { name: name.to_owned(), category: category.to_owned() }
    }

    #[test]
    fn no_value_is_part_of_the_sql() {
        let values = [json!("'; drop table t; --"), json!(null), json!(5)];
        let types = vec![kind("date", "D"), kind("text", "S"), kind("\"bit\"", "V")];
        let parameters = Parameters::new(&values, types).unwrap();
        assert_eq!(parameters.head(), "prepare fanout_query as ");
        assert_eq!(
            parameters.tail(),
            "\n; execute fanout_query(pg_catalog.current_setting('fanout_query.p1')::date, null, \
             pg_catalog.current_setting('fanout_query.p3')::\"bit\")"
        );
        assert_eq!(
            parameters.cleanup(),
            "; deallocate fanout_query; reset fanout_query.p1; reset fanout_query.p3"
        );
    }

    #[test]
    fn lists_and_tables_go_where_the_type_takes_them() {
        let list = json!([1, "a"]);
        assert_eq!(text(&list, &kind("text[]", "A")).unwrap().unwrap(), r#"{"1","a"}"#);
        assert_eq!(text(&list, &kind("jsonb", "U")).unwrap().unwrap(), r#"[1,"a"]"#);
        assert!(text(&list, &kind("date", "D")).unwrap_err().contains("a list, but the server expects date"));
        assert!(text(&json!({}), &kind("text[]", "A")).unwrap_err().contains("a table"));
        assert!(text(&json!("a\0b"), &kind("text", "S")).unwrap_err().contains("NUL"));
    }

    #[test]
    fn too_many_or_too_few_values_are_refused() {
        assert!(
            Parameters::new(&[json!(1)], vec![])
                .unwrap_err()
                .contains("takes 0 parameters, but `params` has 1")
        );
        assert_eq!(Parameters::new(&[], vec![]).unwrap().tail(), "");
    }
}
