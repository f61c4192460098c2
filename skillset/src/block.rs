//! Finds the fenced blocks of an instruction.

use std::ops::Range;

/// Fewest backticks of a fence.
const TICKS_MIN: usize = 3;

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its first line after the backticks: the action and its parameters.
    pub(crate) info: Range<usize>,
    /// What stands between the fences.
    pub(crate) body: Range<usize>,
}

/// The parts of an instruction.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The blocks.
    pub(crate) blocks: Vec<Block>,
    /// Lines outside of them that are not empty.
    pub(crate) prose: Vec<Range<usize>>,
}

/// Splits an instruction; a block that is not closed ends where the instruction does.
pub(crate) fn split(source: &str) -> Parts {
    let mut parts = Parts::default();
    let mut open: Option<(usize, Block)> = None;
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let words = line.trim();
        let first = start + line.len() - line.trim_start().len();
        let ticks = words.len() - words.trim_start_matches('`').len();
        let after = words.get(ticks..).unwrap_or_default();
        match &mut open {
            Some((fence, block)) if ticks >= *fence && after.is_empty() => {
                block.body.end = start;
                parts.blocks.extend(open.take().map(|(_, block)| block));
            }
            Some((_, block)) => block.body.end = at,
            None if ticks >= TICKS_MIN && !after.contains('`') => {
                let info = first + ticks..first + words.len();
                open = Some((ticks, Block { info, body: at..at }));
            }
            None if words.is_empty() => {}
            None => parts.prose.push(first..first + words.len()),
        }
    }
    parts.blocks.extend(open.map(|(_, block)| block));
    parts
}

#[cfg(test)]
mod tests {
    use super::split;

    fn show(source: &str) -> (Vec<(&str, &str)>, Vec<&str>) {
        let parts = split(source);
        let part = |range| source.get(range).unwrap();
        let blocks = parts.blocks.into_iter().map(|block| (part(block.info), part(block.body))).collect();
        (blocks, parts.prose.into_iter().map(part).collect())
    }

    #[test]
    fn blocks_are_told_from_prose() {
        for (source, blocks, prose) in [
            ("```fetch\nGET x\n```", vec![("fetch", "GET x\n")], vec![]),
            ("\n  ```echo/a=1  \r\nhi\r\n  ```  \n\n", vec![("echo/a=1", "hi\r\n")], vec![]),
            ("```echo\n```", vec![("echo", "")], vec![]),
            ("```echo", vec![("echo", "")], vec![]),
            ("```echo\nnot closed\n", vec![("echo", "not closed\n")], vec![]),
            ("````echo\n```\nin\n```\n````\n", vec![("echo", "```\nin\n```\n")], vec![]),
            ("First\n```a\n1\n```\nthen\n```b\n2\n```", vec![("a", "1\n"), ("b", "2\n")], vec!["First", "then"]),
            ("say ```x``` or\n```y``` z", vec![], vec!["say ```x``` or", "```y``` z"]),
            ("", vec![], vec![]),
        ] {
            assert_eq!(show(source), (blocks, prose), "{source}");
        }
    }
}
