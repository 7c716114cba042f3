use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::*;

fn open(path: &Path) -> Db {
    let opened = Db::open(path, &[]).unwrap();
    assert_eq!(opened.moved_aside, None);
    opened.db
}

#[test]
fn documents_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let db = open(&path);
    db.put("container", "b", &json!({"name": "ä", "n": 1})).unwrap();
    db.put("container", "a", &json!([1, 2])).unwrap();
    db.put("volume", "a", &json!(null)).unwrap();
    db.put("container", "b", &json!({"name": "new"})).unwrap();
    drop(db);
    let db = open(&path);
    assert_eq!(db.get("container", "b").unwrap(), Some(json!({"name": "new"})));
    assert_eq!(db.get::<Value>("container", "c").unwrap(), None);
    let list: Vec<(String, Value)> = db.list("container").unwrap();
    let expect = [("a".to_owned(), json!([1, 2])), ("b".to_owned(), json!({"name": "new"}))];
    assert_eq!(list, expect);
    assert!(db.delete("container", "b").unwrap());
    assert!(!db.delete("container", "b").unwrap());
    assert_eq!(db.list::<Value>("container").unwrap().len(), 1);
    let error = db.get::<u32>("container", "a").unwrap_err();
    assert_eq!(error.to_string(), "failed to understand document `container/a`");
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn transactions_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("db"));
    let failed: Result<(), DbError> = db.transaction(|tx| {
        tx.put("x", "1", &1)?;
        assert_eq!(tx.get("x", "1")?, Some(1));
        tx.get::<String>("x", "1").map(drop)
    });
    assert!(failed.is_err());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        db.transaction(|tx| -> Result<(), DbError> {
            tx.put("x", "2", &2)?;
            panic!("in the middle");
        })
    }));
    assert!(panicked.is_err());
    assert!(db.list::<Value>("x").unwrap().is_empty());
    let count = db.transaction(|tx| -> Result<usize, DbError> {
        tx.put("x", "1", &1)?;
        tx.put("x", "2", &2)?;
        tx.delete("x", "1")?;
        tx.list::<u32>("x").map(|list| list.len())
    });
    assert_eq!((count.unwrap(), db.get("x", "2").unwrap()), (1, Some(2)));
}

#[test]
fn threads_share_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    // The second one is as if in another process.
    let databases = [open(&path), open(&path)];
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let db = &databases[thread % 2];
            scope.spawn(move || {
                for number in 0..50 {
                    db.put("x", &format!("{thread}-{number}"), &number).unwrap();
                }
            });
        }
    });
    assert_eq!(databases[0].list::<u32>("x").unwrap().len(), 400);
}

const FIRST: Migration = Migration { sql: "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('1');" };
const SECOND: Migration = Migration { sql: "ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'x';" };
const WRONG: Migration = Migration { sql: "DELETE FROM t; ALTER TABLE absent ADD COLUMN b;" };

#[test]
fn migrations_run_once_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let rows = |db: &Db, columns: &str| -> Vec<String> {
        let sql = format!("SELECT {columns} FROM t");
        let rows = db.transaction(|tx| -> Result<Vec<String>, DbError> {
            let mut query = tx.sql().prepare(&sql).unwrap();
            let rows = query.query_map([], |row| row.get(0)).unwrap();
            Ok(rows.map(Result::unwrap).collect())
        });
        rows.unwrap()
    };
    drop(Db::open(&path, &[FIRST]).unwrap());
    let error = Db::open(&path, &[FIRST, WRONG]).unwrap_err();
    assert!(matches!(error, DbError::Migrate { version: 2, .. }), "{error:?}");
    assert_eq!(rows(&Db::open(&path, &[FIRST]).unwrap().db, "a"), ["1"]);
    for _ in 0..2 {
        assert_eq!(rows(&Db::open(&path, &[FIRST, SECOND]).unwrap().db, "a || b"), ["1x"]);
    }
    let error = Db::open(&path, &[FIRST]).unwrap_err();
    assert!(matches!(error, DbError::Newer { found: 2, known: 1, .. }), "{error:?}");
    assert_eq!(error.kind(), stdx::Kind::Unsupported);
    // Refusing has not touched it.
    assert_eq!(rows(&Db::open(&path, &[FIRST, SECOND]).unwrap().db, "b"), ["x"]);
}

#[track_caller]
fn check_damage(damage: impl FnOnce(&mut Vec<u8>)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let db = open(&path);
    for number in 0..500 {
        db.put("x", &number.to_string(), &"y".repeat(100)).unwrap();
    }
    drop(db);
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 10 * 4096);
    damage(&mut bytes);
    std::fs::write(&path, &bytes).unwrap();
    let opened = Db::open(&path, &[FIRST]).unwrap();
    let aside = opened.moved_aside.expect("it is damaged");
    assert!(aside.to_str().unwrap().contains("db.corrupt-"));
    assert_eq!(std::fs::read(aside).unwrap(), bytes);
    assert!(opened.db.list::<Value>("x").unwrap().is_empty());
    opened.db.put("x", "1", &1).unwrap();
    drop(opened.db);
    assert_eq!(Db::open(&path, &[FIRST]).unwrap().moved_aside, None);
}

#[test]
fn a_damaged_file_is_moved_aside() {
    check_damage(|bytes| bytes[..100].fill(b'x'));
    check_damage(|bytes| bytes[4096 * 3..4096 * 6].fill(0xff));
    check_damage(|bytes| bytes.truncate(4096 * 5 + 17));
    check_damage(|bytes| *bytes = b"this was never a database".to_vec());
}

#[test]
fn an_impossible_path_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let error = Db::open(&dir.path().join("absent/db"), &[]).unwrap_err();
    assert!(matches!(error, DbError::Make(_)), "{error:?}");
    let error = Db::open(dir.path(), &[]).unwrap_err();
    assert!(matches!(error, DbError::Make(_)), "{error:?}");
    assert!(dir.path().exists());
}

/// Says each number after it is written, in two documents at once, until it is killed.
fn write_until_killed(path: &Path) -> ! {
    let db = open(path);
    let begin = db.get::<u64>("n", "a").unwrap().unwrap_or(0);
    for number in begin + 1.. {
        let pair = db.transaction(|tx| -> Result<(), DbError> {
            tx.put("n", "a", &number)?;
            tx.put("pad", &(number % 50).to_string(), &"p".repeat(3000))?;
            tx.put("n", "b", &number)
        });
        pair.unwrap();
        println!("written {number}");
    }
    unreachable!("numbers do not end");
}

#[test]
fn what_was_written_survives_a_kill() {
    const CHILD: &str = "WHARF_TEST_DB_CHILD";
    if let Some(path) = std::env::var_os(CHILD) {
        write_until_killed(Path::new(&path));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut last = 0;
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::what_was_written_survives_a_kill", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || {
            let line = said.next()?.ok()?;
            Some(line.rsplit_once("written ")?.1.parse::<u64>().ok())
        };
        let wished = last + 37 * round;
        while last < wished {
            // The first lines are the test program's own.
            if let Some(Some(number)) = next() {
                last = number;
            }
            assert!(child.try_wait().unwrap().is_none(), "the child has ended");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let opened = Db::open(&path, &[]).unwrap();
        assert_eq!(opened.moved_aside, None);
        let number = |id| opened.db.get::<u64>("n", id).unwrap().unwrap();
        assert_eq!(number("a"), number("b"));
        assert!(number("a") >= last, "{} was said, {} is there", last, number("a"));
        last = number("a");
    }
}
