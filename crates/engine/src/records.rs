//! The engine's documents in the database.

use std::path::Path;

use db::{Db, DbError};

use crate::container::record::ContainerRecord;
use crate::error::{EngineError, Result};

const CONTAINER: &str = "container";

/// Records of containers.
#[derive(Debug)]
pub struct Records {
    db: Db,
}

impl Records {
    /// Opens or makes the database; also tells whether a damaged one was moved aside, so that its
    /// records are to be found elsewhere.
    pub fn open(path: &Path) -> Result<(Records, bool)> {
        let opened = Db::open(path, &[]).map_err(failed)?;
        if let Some(aside) = &opened.moved_aside {
            tracing::error!(
                path = %aside.display(),
                "the database was damaged and moved aside; containers are restored from their \
                 directories"
            );
        }
        Ok((Records { db: opened.db }, opened.moved_aside.is_some()))
    }

    /// All records.
    pub fn all(&self) -> Result<Vec<ContainerRecord>> {
        let all = self.db.list(CONTAINER).map_err(failed)?;
        Ok(all.into_iter().map(|(_, record)| record).collect())
    }

    /// Whether there is one; also when that cannot be told.
    pub fn contains(&self, id: &str) -> bool {
        !matches!(self.db.get::<serde::de::IgnoredAny>(CONTAINER, id), Ok(None))
    }

    /// Makes or replaces one.
    pub fn put(&self, record: &ContainerRecord) -> Result<()> {
        self.db.put(CONTAINER, &record.id, record).map_err(failed)
    }

    /// Removes one; an absent one is fine.
    pub fn delete(&self, id: &str) -> Result<()> {
        self.db.delete(CONTAINER, id).map(drop).map_err(failed)
    }
}

fn failed(error: DbError) -> EngineError {
    EngineError::new(error.kind(), "the engine's database failed").with_cause(error)
}
