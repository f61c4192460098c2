//! How much an expression could make of a document, at most.
//!
//! The bounds are coarse and err to the safe side; what a person writes to get at a part of a
//! response stays far below them.

use jmespath::ast::Ast;
use serde_json::Value;

/// How deep brackets in an expression may nest: the time to read a JSONPath doubles with each filter in a filter.
const NESTING_MAX: usize = 8;
/// How many operators an expression may have: what reads it or follows it recurses over some of them.
const OPERATORS_MAX: usize = 64;
/// How many nodes a JSONPath may visit.
const VISITS_MAX: u64 = 4_000_000;
/// How many values a JMESPath may make; each takes about 130 bytes while it stands.
const VALUES_MAX: u64 = 1_000_000;
/// How many bytes of a document count as one more value.
const VALUE_BYTES: u64 = 32;

/// The size of a document.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Size {
    nodes: u64,
    depth: u64,
}

impl Size {
    /// Of a value.
    pub(super) fn of(value: &Value) -> Self {
        let children = match value {
            Value::Array(items) => items.iter().map(Self::of).fold(Self::default(), Self::beside),
            Value::Object(entries) => entries.values().map(Self::of).fold(Self::default(), Self::beside),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Self::default(),
        };
        Self { nodes: children.nodes + 1, depth: children.depth + 1 }
    }

    fn beside(self, other: Self) -> Self {
        Self { nodes: self.nodes + other.nodes, depth: self.depth.max(other.depth) }
    }
}

/// Refuses a JSONPath that could visit too many nodes of a document.
///
/// Several selectors in one bracket visit a node as often; each `..` but the first goes once through
/// every level; each `$` but the first, which stands in a filter, goes through the document anew.
pub(super) fn path(expression: &str, size: Size) -> Result<(), String> {
    let (mut selectors, mut descents, mut roots) = (1_u64, 0_u32, 0_u32);
    let (mut open, mut before) = (Vec::new(), ' ');
    for c in outside_strings(expression, &['\'', '"']) {
        match c {
            '[' | '(' => open.push((c, 1)),
            ',' => {
                if let Some((_, count)) = open.last_mut() {
                    *count += 1;
                }
            }
            ']' | ')' => {
                let factor = open.pop().filter(|(bracket, _)| *bracket == '[').map_or(1, |(_, count)| count);
                selectors = selectors.saturating_mul(factor);
            }
            '.' if before == '.' => descents += 1,
            '$' => roots += 1,
            _ => {}
        }
        before = c;
    }
    let levels = size.depth.saturating_pow(descents.saturating_sub(1));
    let again = size.nodes.saturating_pow(roots.saturating_sub(1));
    let visits = size.nodes.saturating_mul(selectors).saturating_mul(levels).saturating_mul(again);
    if visits > VISITS_MAX {
        return Err(format!("could visit {visits} values of this response, at most {VISITS_MAX} are: say more exactly what you look for"));
    }
    Ok(())
}

/// Refuses an expression that is too deep or too long to be read.
pub(super) fn form(expression: &str) -> Result<(), String> {
    let (mut depth, mut operators) = (0_usize, 0);
    for c in outside_strings(expression, &['\'', '"', '`']) {
        match c {
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        operators += usize::from("[({*!&.|<>=".contains(c));
        if depth > NESTING_MAX {
            return Err(format!("nests brackets more than {NESTING_MAX} deep"));
        }
    }
    if operators > OPERATORS_MAX { Err(format!("has more than {OPERATORS_MAX} operators, wildcards and brackets")) } else { Ok(()) }
}

/// Refuses a JMESPath that could make too many values of a document of so many bytes.
pub(super) fn jmes(expression: &Ast, size: Size, bytes: usize) -> Result<(), String> {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let values = size.nodes.saturating_add(bytes / VALUE_BYTES).saturating_mul(growth(expression));
    if values > VALUES_MAX {
        return Err(format!("could make {values} values of this response, at most {VALUES_MAX} are: say more exactly what you look for"));
    }
    Ok(())
}

/// How many times its input the outcome of an expression can be.
fn growth(expression: &Ast) -> u64 {
    match expression {
        Ast::Identity { .. } | Ast::Field { .. } | Ast::Index { .. } | Ast::Slice { .. } => 1,
        Ast::Literal { value, .. } => serde_json::to_value(value).map_or(u64::MAX, |value| Size::of(&value).nodes),
        Ast::Flatten { node, .. } | Ast::ObjectValues { node, .. } | Ast::Not { node, .. } => growth(node),
        Ast::Expref { ast, .. } => growth(ast),
        Ast::Subexpr { lhs, rhs, .. } | Ast::Projection { lhs, rhs, .. } => growth(lhs).saturating_mul(growth(rhs)),
        Ast::Comparison { lhs, rhs, .. } => growth(lhs).saturating_add(growth(rhs)),
        Ast::And { lhs, rhs, .. } | Ast::Or { lhs, rhs, .. } => growth(lhs).max(growth(rhs)),
        Ast::Condition { predicate, then, .. } => growth(predicate).max(growth(then)),
        Ast::MultiList { elements, .. } => sum(elements.iter()),
        Ast::MultiHash { elements, .. } => sum(elements.iter().map(|pair| &pair.value)),
        Ast::Function { name, args, .. } => function(name, args),
    }
}

fn sum<'a>(expressions: impl Iterator<Item = &'a Ast>) -> u64 {
    expressions.map(growth).fold(0, u64::saturating_add).max(1)
}

fn function(name: &str, args: &[Ast]) -> u64 {
    let each = args.iter().filter(|arg| matches!(arg, Ast::Expref { .. })).map(growth).fold(1, u64::saturating_mul);
    let whole = each.saturating_mul(sum(args.iter().filter(|arg| !matches!(arg, Ast::Expref { .. }))));
    match (name, args.first()) {
        // Escapes are escaped again.
        ("to_string", _) => whole.saturating_mul(2),
        // The glue stands once for every element.
        ("join", Some(Ast::Literal { value, .. })) => {
            let glue = value.as_string().map_or(0, String::len);
            whole.saturating_mul(u64::try_from(glue).unwrap_or(u64::MAX).max(1))
        }
        ("join", _) => u64::MAX,
        _ => whole,
    }
}

/// The characters of an expression that are not within quotes.
fn outside_strings<'a>(expression: &'a str, quotes: &'a [char]) -> impl Iterator<Item = char> + 'a {
    let (mut within, mut is_escaped) = (None, false);
    expression.chars().filter(move |c| match within {
        Some(_) if is_escaped => {
            is_escaped = false;
            false
        }
        Some(quote) => {
            is_escaped = *c == '\\';
            if *c == quote {
                within = None;
            }
            false
        }
        None => {
            within = quotes.contains(c).then_some(*c);
            within.is_none()
        }
    })
}
