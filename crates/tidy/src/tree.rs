//! The files of the project.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::source::Source;

/// Text files of the project, by path.
#[derive(Default)]
pub struct Tree {
    files: Vec<File>,
}

/// One text file.
pub struct File {
    /// Relative to the project's top, with `/`.
    pub path: String,
    pub text: String,
    /// The text without comments and literals, for Rust only.
    pub(crate) source: Option<Source>,
}

impl Tree {
    /// All files that git tracks, and those that it does not ignore, if they are UTF-8.
    ///
    /// # Panics
    /// If `top` is no git work tree: then nothing can be said about the project.
    pub fn of_project(top: &Path) -> Self {
        let output = Command::new("git")
            // The tests may run as another user than the one who cloned.
            .args(["-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"])
            .current_dir(top)
            .output()
            .expect("git can be executed");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "failed to list the files of {top:?}: {complaint}");
        let names = String::from_utf8(output.stdout).expect("paths in the project are UTF-8");
        let mut tree = Self::default();
        for path in names.split_terminator('\0') {
            // A file that is deleted and still tracked, or one that is not text, has no lines.
            if let Ok(text) = std::fs::read_to_string(top.join(path)) {
                tree.add(path, &text);
            }
        }
        tree.mark_test_modules();
        tree
    }

    /// A tree of these paths and texts.
    pub fn of_files(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.add(path, text);
        }
        tree.mark_test_modules();
        tree
    }

    /// All files, in the order of git.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// Rust files with their source.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files.iter().filter_map(|file| Some((file, file.source.as_ref()?)))
    }

    /// The file at a path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    fn add(&mut self, path: &str, text: &str) {
        let mut source = path.ends_with(".rs").then(|| Source::new(text));
        if let Some(source) = &mut source
            && is_test_path(path)
        {
            source.mark_as_test();
        }
        self.files.push(File { path: path.to_owned(), text: text.to_owned(), source });
    }

    /// A module that is declared for tests only is a test, and so is all below it.
    fn mark_test_modules(&mut self) {
        let modules: Vec<PathBuf> = self
            .rust()
            .flat_map(|(file, source)| {
                let folder = module_folder(Path::new(&file.path));
                source.test_modules().into_iter().map(move |name| folder.join(name))
            })
            .collect();
        for file in &mut self.files {
            let path = Path::new(&file.path);
            let is_test = modules
                .iter()
                .any(|module| path == module.with_extension("rs") || path.starts_with(module));
            if let Some(source) = &mut file.source
                && is_test
            {
                source.mark_as_test();
            }
        }
    }
}

/// Where the modules that a file declares lie.
fn module_folder(path: &Path) -> PathBuf {
    let is_root = path.file_stem().is_some_and(|stem| stem == "lib" || stem == "main");
    match path.parent() {
        Some(folder) if is_root => folder.to_owned(),
        _ => path.with_extension(""),
    }
}

fn is_test_path(path: &str) -> bool {
    let folders = ["tests", "benches", "fuzz"];
    path.ends_with("/tests.rs") || path.split('/').any(|part| folders.contains(&part))
}
