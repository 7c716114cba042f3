//! The parts of a `Cargo.toml` that the rules look at.

/// One crate's manifest.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    pub package: Option<String>,
    pub layer: Option<u32>,
    pub dependencies: Vec<Dependency>,
    pub has_workspace_lints: bool,
}

/// One line of a dependency table.
#[derive(Debug, PartialEq, Eq)]
pub struct Dependency {
    pub name: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Version and source come from the root manifest.
    pub is_inherited: bool,
}

impl Manifest {
    /// Reads the shapes in which this project writes manifests: one key a line, tables by
    /// heading. What it does not understand it leaves out.
    pub fn parse(text: &str) -> Self {
        let mut manifest = Self::default();
        let mut section = "";
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(heading) = line.strip_prefix('[') {
                section = heading.trim_end_matches(']');
                if let Some((table, name)) = section.rsplit_once('.')
                    && is_dependency_table(table)
                {
                    // A table for one dependency never inherits in this project.
                    let name = name.to_owned();
                    manifest.add(Dependency { name, line: index + 1, is_inherited: false });
                }
            } else if let Some((key, value)) = line.split_once('=')
                && !line.starts_with('#')
            {
                manifest.read(section, key.trim(), value.trim(), index + 1);
            }
        }
        manifest
    }

    fn read(&mut self, section: &str, key: &str, value: &str, line: usize) {
        match (section, key) {
            ("package", "name") => self.package = Some(value.trim_matches('"').to_owned()),
            ("package.metadata.wharf", "layer") => self.layer = value.parse().ok(),
            ("lints", "workspace") => self.has_workspace_lints = value == "true",
            (table, _) if is_dependency_table(table) => {
                let short = key.strip_suffix(".workspace");
                let name = short.unwrap_or(key).to_owned();
                let is_inherited = short.is_some() || value.contains("workspace = true");
                self.add(Dependency { name, line, is_inherited });
            }
            _ => {}
        }
    }

    fn add(&mut self, dependency: Dependency) {
        self.dependencies.push(dependency);
    }
}

fn is_dependency_table(section: &str) -> bool {
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .any(|table| section == *table || section.ends_with(&format!(".{table}")))
}
