//! Literal passwords in a plan: under a name that says so, in a header that carries one, in a URL. What they are is never
//! repeated.

use crate::expr::{Data, Node, Problem, Table};
use crate::sources::Problems;

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

/// Tells those of a source.
pub(super) fn of_source(table: &mut Table, problems: &mut Problems) {
    look(table, true, problems);
}

/// Tells those of a job: in its URLs and headers; what it sends otherwise is its own business.
pub(super) fn of_job(table: &mut Table, problems: &mut Problems) {
    look(table, false, problems);
    if let Some(Data::Table(headers)) = table.get_mut("headers").map(|node| &mut node.data) {
        look(headers, true, problems);
    }
}

/// `names`: whether a key's name says that a password follows.
fn look(table: &mut Table, names: bool, problems: &mut Problems) {
    let keys: Vec<String> = table.keys().into_iter().map(str::to_owned).collect();
    for key in keys {
        // Said openly.
        if key == "plain" {
            continue;
        }
        let named = names && NAMES.contains(&key.to_lowercase().replace('-', "_").as_str());
        match table.get_mut(&key) {
            Some(Node { data: Data::Table(inner), .. }) => look(inner, names, problems),
            Some(Node { data: Data::List(items), .. }) => {
                items.iter_mut().for_each(|item| look_at(&key, item, named, problems));
            }
            Some(node) => look_at(&key, node, named, problems),
            None => {}
        }
    }
}

fn look_at(key: &str, node: &mut Node, named: bool, problems: &mut Problems) {
    let text = match &node.data {
        Data::Text(template, _) => template.literal().filter(|text| !text.is_empty()),
        Data::Scalar(_) => Some("a number or boolean"),
        Data::List(_) | Data::Table(_) | Data::Wrong(_) => None,
    };
    let message = match text {
        Some(_) if named => format!("`{key}` must not stand in the plan"),
        Some(text) if url_with_password(text) => format!("`{key}` holds a password"),
        _ => return,
    };
    problems.push(Problem::new(node.span.clone(), message).hint(HINT));
    node.data = Data::Wrong(None);
}

/// `scheme://user:password@host`.
fn url_with_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
}
