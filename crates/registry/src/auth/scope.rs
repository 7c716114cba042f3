//! What a token shall be good for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Most scopes of one token.
const SCOPES_MAX: usize = 20;

/// `repository:a/b:pull,push` and others. Displays them separated by blanks.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    /// None: to say who one is.
    pub fn none() -> Scopes {
        Scopes::default()
    }

    /// To read a repository.
    pub fn pull(path: &str) -> Scopes {
        Scopes::none().with(&format!("repository:{path}:pull"))
    }

    /// To read and write a repository.
    pub fn push(path: &str) -> Scopes {
        Scopes::none().with(&format!("repository:{path}:pull,push"))
    }

    /// To search.
    pub fn search() -> Scopes {
        Scopes::none().with("registry:catalog:search")
    }

    /// With more of them, separated by blanks. What does not have the form is left out.
    pub fn with(&self, text: &str) -> Scopes {
        let mut scopes = self.clone();
        for word in text.split_ascii_whitespace() {
            let Some((object, actions)) = word.rsplit_once(':') else { continue };
            if scopes.0.len() >= SCOPES_MAX && !scopes.0.contains_key(object) {
                break;
            }
            let known = scopes.0.entry(object.to_owned()).or_default();
            known.extend(actions.split(',').take(SCOPES_MAX).map(str::to_owned));
        }
        scopes
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(object, actions)| {
            let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
            format!("{object}:{}", actions.join(","))
        })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().collect::<Vec<_>>().join(" "))
    }
}
