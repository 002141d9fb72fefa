//! Literal passwords in a plan: under a name that says so, in a header that carries one, in a URL. What they are is never
//! repeated.

use crate::expr::{Data, Node, Problem, Table};
use std::ops::Range;

/// Keys whose literal value is a password, in lower case and with `_` for `-`.
const NAMES: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "authorization",
    "proxy_authorization",
    "x_api_key",
    "api_key",
    "apikey",
    "client_secret",
    "x_auth_token",
];

const HINT: &str =
    "write { env = \"NAME\" }, { file = \"PATH\" }, { command = [..] } or \"${{ secrets.NAME }}\"";

/// Literal passwords that were found: the places of the keys they are under, and the mistakes they are.
#[derive(Default)]
pub(super) struct Literal {
    found: Vec<(Vec<Range<usize>>, Problem)>,
}

impl Literal {
    /// Those of a source.
    pub(super) fn of_source(table: &Table) -> Literal {
        let mut literal = Literal::default();
        literal.look(table, true, &[]);
        literal
    }

    /// Those of a job: in its URLs and headers; what it sends otherwise is its own business.
    pub(super) fn of_job(table: &Table) -> Literal {
        let mut literal = Literal::default();
        literal.look(table, false, &[]);
        if let Some(Data::Table(headers)) = table.get("headers").map(|node| &node.data) {
            literal.look(headers, true, &[table.key_span("headers")]);
        }
        literal
    }

    /// The mistakes they are.
    pub(super) fn problems(&self) -> Vec<Problem> {
        self.found.iter().map(|(_, problem)| problem.clone()).collect()
    }

    /// Mistakes but those at places where a password was found: one mistake is enough.
    pub(super) fn others(&self, problems: Vec<Problem>) -> Vec<Problem> {
        let known = |problem: &Problem| {
            self.found
                .iter()
                .any(|(keys, literal)| keys.contains(&problem.span) || literal.span == problem.span)
        };
        problems.into_iter().filter(|problem| !known(problem)).collect()
    }

    /// Looks at a table, which is under some keys. `names`: whether a key's name says that a password follows.
    fn look(&mut self, table: &Table, names: bool, under: &[Range<usize>]) {
        for (key, node) in table.keys().into_iter().filter_map(|key| Some((key, table.get(key)?))) {
            // Said openly.
            if key == "plain" {
                continue;
            }
            let under = [under, &[table.key_span(key)]].concat();
            let named = names && NAMES.contains(&key.to_lowercase().replace('-', "_").as_str());
            match &node.data {
                Data::Table(inner) => self.look(inner, names, &under),
                Data::List(items) => items.iter().for_each(|item| self.look_at(key, &under, item, named)),
                _ => self.look_at(key, &under, node, named),
            }
        }
    }

    fn look_at(&mut self, key: &str, under: &[Range<usize>], node: &Node, named: bool) {
        let text = match &node.data {
            Data::Text(template, _) => template.literal().filter(|text| !text.is_empty()),
            Data::Scalar(_) => Some("a number or boolean"),
            Data::List(_) | Data::Table(_) => None,
        };
        let message = match text {
            Some(_) if named => format!("`{key}` must not stand in the plan"),
            Some(text) if url_with_password(text) => format!("`{key}` holds a password"),
            _ => return,
        };
        self.found.push((under.to_vec(), Problem::new(node.span.clone(), message).hint(HINT)));
    }
}

/// `scheme://user:password@host`.
fn url_with_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
}
