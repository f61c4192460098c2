//! What files say: triggers, bots, skillsets, secrets, and what a deployment lends them.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::path::{Path, PathBuf};

use egress::policy::Allow;
use proto::id::{BotId, SkillsetId};
use proto::resource;
use worker::settings;

use super::bot::{self, PlacedBot};
use super::fault::{Fault, Faults};
use super::fields::{self, Fields, Placed};
use super::kept::{self, Kept, PlacedSecret};
use super::lent;
use super::skillset::{self, PlacedSkillset};
use super::tree::{self, Node};
use super::trigger::{self, PlacedTrigger, Trigger};

/// How many files a directory may have.
const FILES_MAX: usize = 1_000;
/// How deep directories may lie in each other.
const DEPTH_MAX: usize = 8;
/// What names of files of a directory end with.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// A file that was found to be right.
#[derive(Debug)]
pub struct Document {
    /// The file, for messages.
    pub file: String,
    /// Private addresses that abilities may call.
    pub egress: Vec<Allow>,
    /// Where events come in.
    pub triggers: Vec<Trigger>,
    /// Who answers them.
    pub bots: Vec<resource::Bot>,
    /// What they may do.
    pub skillsets: Vec<resource::Skillset>,
    /// What abilities use and the deployment keeps.
    pub secrets: Vec<Kept>,
    /// What the deployment lends them; what it names is still to be fetched.
    pub lent: settings::Document,
    /// Where files that it names are looked for.
    pub base: PathBuf,
}

/// Files that belong together and were found to be right.
#[derive(Debug)]
pub struct Documents {
    /// What they are called where it is noted who keeps something.
    pub name: String,
    /// The files, in the order of their names.
    pub files: Vec<Document>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A directory has no files, or too many.
    #[error("{path} has {count} files of configuration (.yaml, .yml, .json): 1 to {FILES_MAX} are taken")]
    Count {
        /// The directory.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// It says something wrong.
    #[error(transparent)]
    Faults(#[from] Faults),
}

/// What was read of one file, with places for what is wrong across files.
struct Draft {
    file: String,
    base: PathBuf,
    egress: Vec<Allow>,
    triggers: Vec<PlacedTrigger>,
    bots: Vec<PlacedBot>,
    skillsets: Vec<PlacedSkillset>,
    secrets: Vec<PlacedSecret>,
    lent: settings::Document,
    faults: Vec<Fault>,
}

impl Document {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Ok(Self::parse(&path.display().to_string(), &text, path.parent().unwrap_or_else(|| Path::new("")))?)
    }

    /// Reads the text of a file; secret files are looked for relative to `base`.
    pub fn parse(file: &str, text: &str, base: &Path) -> Result<Self, Faults> {
        let mut files = finish(vec![draft(file, text, base)], false)?;
        // One goes in, so one comes out.
        files.pop().ok_or_else(|| Faults::new(file, Vec::new()))
    }
}

impl Documents {
    /// Reads a file, or all files of a directory.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::read(path, false)
    }

    /// The same, and compares what they say with what they lend.
    pub fn lint(path: &Path) -> Result<Self, Error> {
        Self::read(path, true)
    }

    fn read(path: &Path, is_strict: bool) -> Result<Self, Error> {
        let is_directory = path.is_dir();
        let mut found = Vec::new();
        if is_directory {
            gather(path, 0, &mut found)?;
        } else {
            found.push(path.to_owned());
        }
        found.sort();
        if found.is_empty() || found.len() > FILES_MAX {
            return Err(Error::Count { path: path.to_owned(), count: found.len() });
        }
        let mut drafts = Vec::with_capacity(found.len());
        for file in found {
            let text = std::fs::read_to_string(&file).map_err(|source| Error::Read { path: file.clone(), source })?;
            drafts.push(draft(&file.display().to_string(), &text, file.parent().unwrap_or_else(|| Path::new(""))));
        }
        Ok(Self { name: name(path), files: finish(drafts, is_strict)? })
    }
}

/// What a file or directory is called: the name of the file, or the directory as it was given.
pub fn name(path: &Path) -> String {
    let named = if path.is_dir() { None } else { path.file_name() };
    let text = named.map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
    let text = text.trim_start_matches("./").trim_end_matches('/');
    if text.is_empty() { ".".to_owned() } else { text.to_owned() }
}

fn gather(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let fault = |source| Error::Read { path: directory.to_owned(), source };
    for entry in std::fs::read_dir(directory).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !is_hidden && depth < DEPTH_MAX {
            gather(&path, depth + 1, found)?;
        } else if !is_hidden && path.is_file() && path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known)) {
            found.push(path);
        }
        if found.len() > FILES_MAX {
            break;
        }
    }
    Ok(())
}

fn draft(file: &str, text: &str, base: &Path) -> Draft {
    let mut draft = Draft {
        file: file.to_owned(),
        base: base.to_owned(),
        egress: Vec::new(),
        triggers: Vec::new(),
        bots: Vec::new(),
        skillsets: Vec::new(),
        secrets: Vec::new(),
        lent: settings::Document::default(),
        faults: Vec::new(),
    };
    match tree::read(text) {
        Ok(root) => read(&root, &mut draft),
        Err(fault) => draft.faults.push(fault),
    }
    draft
}

fn read(root: &Node, draft: &mut Draft) {
    let (base, faults) = (draft.base.clone(), &mut draft.faults);
    let Some(mut fields) = Fields::of(root, String::new(), faults) else { return };
    draft.egress = fields.take("egress").map(|node| egress(node, faults)).unwrap_or_default();
    // What is wrong in one of its fields does not hide a trigger or bot from the checks across them.
    let triggers = fields.list("triggers", faults);
    draft.triggers = triggers.into_iter().filter_map(|(node, path)| trigger::read(node, path, &base, faults)).collect();
    let bots = fields.list("bots", faults);
    draft.bots = bots.into_iter().filter_map(|(node, path)| bot::read(node, &path, faults)).collect();
    let skillsets = fields.list("skillsets", faults);
    draft.skillsets = skillsets.into_iter().filter_map(|(node, path)| skillset::read(node, &path, faults)).collect();
    let kept = lent::kept(&fields);
    draft.secrets = kept.into_iter().filter_map(|(node, path)| kept::read(node, path, &base, faults)).collect();
    draft.lent = lent::take(&mut fields, faults);
    if let Err(settings::Error { path, reason }) = draft.lent.clone().check() {
        faults.push(Fault { at: root.place_of(&path), path, reason });
    }
    fields.finish(faults);
}

/// Checks across files, and the files where nothing is wrong.
fn finish(mut drafts: Vec<Draft>, is_strict: bool) -> Result<Vec<Document>, Faults> {
    let mut found: Vec<Vec<Fault>> = drafts.iter_mut().map(|draft| std::mem::take(&mut draft.faults)).collect();
    refuse_twins(&drafts, &mut found, |draft| draft.triggers.iter().filter_map(|one| one.id.as_ref()).collect());
    refuse_twins(&drafts, &mut found, |draft| draft.bots.iter().filter_map(|one| one.id.as_ref()).collect());
    refuse_twins(&drafts, &mut found, |draft| draft.skillsets.iter().filter_map(|one| one.id.as_ref()).collect());
    refuse_twins(&drafts, &mut found, |draft| draft.secrets.iter().filter_map(|one| one.id.as_ref()).collect());
    let place = if drafts.len() == 1 { "in this file" } else { "in these files" };
    for (draft, faults) in drafts.iter().zip(&mut found) {
        faults.extend(dangling(draft, &drafts, place));
        if is_strict {
            faults.extend(lent::unlent(&draft.bots, &draft.skillsets, &Lent::of(&drafts)));
        }
    }
    let faults: Vec<Faults> =
        drafts.iter().zip(found).filter(|(_, faults)| !faults.is_empty()).map(|(draft, faults)| Faults::new(&draft.file, faults)).collect();
    if let Some(all) = Faults::together(faults) {
        return Err(all);
    }
    Ok(drafts.into_iter().map(Draft::into_document).collect())
}

/// What all files lend together, for comparing.
pub(super) struct Lent {
    /// The ids of providers.
    pub(super) providers: Vec<String>,
    /// The names of secrets.
    pub(super) secrets: Vec<String>,
}

impl Lent {
    fn of(drafts: &[Draft]) -> Self {
        let kept = drafts.iter().flat_map(|draft| &draft.secrets).filter_map(|one| one.secret.as_ref());
        let kept = kept.flat_map(|one| [one.resource.name.clone(), one.resource.id.to_string()]);
        Self {
            providers: drafts.iter().flat_map(|draft| draft.lent.provider_ids()).collect(),
            secrets: drafts.iter().flat_map(|draft| draft.lent.secret_names()).chain(kept).collect(),
        }
    }
}

/// References to what no file has.
fn dangling(draft: &Draft, drafts: &[Draft], place: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let is_skillset = |id: &SkillsetId| {
        drafts.iter().flat_map(|draft| &draft.skillsets).any(|known| known.id.as_ref().is_some_and(|known| known.value == *id))
    };
    for (bot, (at, path)) in draft.bots.iter().filter_map(|bot| bot.bot.as_ref().zip(bot.at.as_ref())) {
        if let Some(id) = worker::bot::skillset_of(bot).filter(|id| !is_skillset(id)) {
            faults.push(Fault { at: *at, path: format!("{path}.skillset"), reason: format!("there is no skillset {id} {place}") });
        }
    }
    let is_bot = |id: &BotId| drafts.iter().flat_map(|draft| &draft.bots).any(|bot| bot.id.as_ref().is_some_and(|bot| bot.value == *id));
    for bot in draft.triggers.iter().filter_map(|trigger| trigger.bot.as_ref()).filter(|bot| !is_bot(&bot.value)) {
        faults.push(Fault { at: bot.at, path: bot.path.clone(), reason: format!("there is no bot {} {place}", bot.value) });
    }
    faults
}

fn refuse_twins<T: Eq + Hash + Display>(drafts: &[Draft], found: &mut [Vec<Fault>], ids: impl Fn(&Draft) -> Vec<&Placed<T>>) {
    let mut seen: HashMap<&T, (usize, tree::Place)> = HashMap::new();
    for (index, (draft, faults)) in drafts.iter().zip(found).enumerate() {
        for id in ids(draft) {
            if let Some((first, at)) = seen.insert(&id.value, (index, id.at)) {
                let file = drafts.get(first).filter(|_| first != index).map(|draft| format!(" of {}", draft.file)).unwrap_or_default();
                let reason = format!("{} stands twice, first in line {}{file}", id.value, at.line);
                faults.push(Fault { at: id.at, path: id.path.clone(), reason });
            }
        }
    }
}

impl Draft {
    fn into_document(self) -> Document {
        Document {
            file: self.file,
            egress: self.egress,
            triggers: self.triggers.into_iter().filter_map(|one| one.trigger).collect(),
            bots: self.bots.into_iter().filter_map(|one| one.bot).collect(),
            skillsets: self.skillsets.into_iter().filter_map(|one| one.skillset).collect(),
            secrets: self.secrets.into_iter().filter_map(|one| one.secret).collect(),
            lent: self.lent,
            base: self.base,
        }
    }
}

fn egress(node: &Node, faults: &mut Vec<Fault>) -> Vec<Allow> {
    let Some(mut fields) = Fields::of(node, "egress".into(), faults) else { return Vec::new() };
    let allowed = fields.list("allow", faults);
    let allowed = allowed.into_iter().filter_map(|(node, path)| Some(fields::parse(node, path, faults)?.value)).collect();
    fields.finish(faults);
    allowed
}

#[cfg(test)]
mod tests;
