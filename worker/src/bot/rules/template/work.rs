//! The work of one template: what its filters read and yield, held to a bound.
//!
//! The library's filters take whatever they are given: `'x' | indent(99999999999)` asks for that many
//! blanks and ends the process, `range(100000) | map('replace', ..)` for as many texts of any length.
//! Here each pays for what it reads, before it begins, and for what it yields. What `*` and `~` make
//! counts as soon as a filter reads it or it is written out.

use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, filters};

/// How much the filters of one rendering may read and yield together, in bytes.
const WORK_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What one item of a list or map counts as, in bytes.
const ITEM_BYTES: usize = 16;
/// The largest number by which a filter is told how wide, how many or how deep.
const WIDTH_MAX: i64 = 1_000;
/// How many digits a width in a format may have.
const WIDTH_DIGITS_MAX: usize = 3;
/// How many levels of a value are looked at.
const DEPTH_MAX: usize = 200;
/// Under what name a rendering keeps what is left of its bytes.
const LEFT: &str = "work.left";

/// Puts the library's filters in again, each behind the bound.
pub(super) fn hold(environment: &mut Environment<'static>) {
    macro_rules! held {
        ($($name:ident $(as $alias:literal)?),+ $(,)?) => {
            $(hold_one(environment, stringify!($name), Value::from_function(filters::$name)); $(hold_one(environment, $alias, Value::from_function(filters::$name));)?)+
        };
    }
    held!(
        escape as "e", lower, upper, title, capitalize, replace, length as "count", dictsort, items, reverse, trim, join, split, lines,
        default as "d", min, max, sort, list, string, first, last, batch, slice, sum, indent, select, reject, selectattr, rejectattr, map,
        groupby, unique, chain, zip, pprint, format, tojson,
    );
}

fn hold_one(environment: &mut Environment<'static>, name: &'static str, filter: Value) {
    environment.add_filter(name, move |state: &mut State<'_, '_>, arguments: Rest<ValueOrKwargs>| -> Result<Value, Error> {
        let arguments = arguments.into_values();
        let mut left = state.get_temp(LEFT).and_then(|left| left.as_usize()).unwrap_or(WORK_BYTES_MAX);
        for argument in &arguments {
            weigh(argument, &mut left, DEPTH_MAX)?;
        }
        pay(&mut left, predicted(name, &arguments)?)?;
        state.set_temp(LEFT, left.into());
        let yielded = filter.call(state, &arguments)?;
        // What the filter applied in turn has paid meanwhile.
        let mut left = state.get_temp(LEFT).and_then(|left| left.as_usize()).unwrap_or_default();
        pay(&mut left, yielded.as_str().map_or_else(|| items(&yielded), str::len))?;
        state.set_temp(LEFT, left.into());
        Ok(yielded)
    });
}

/// Pays for all that a value is made of; stops as soon as that is too much.
pub(super) fn weigh(value: &Value, left: &mut usize, depth: usize) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        return pay(left, text.len());
    }
    let Some(depth) = depth.checked_sub(1) else { return Err(too_much()) };
    pay(left, items(value))?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter()? {
                pay(left, 1)?;
                weigh(&item, left, depth)?;
            }
            Ok(())
        }
        ValueKind::Map if !value.is_kwargs() => {
            for key in value.try_iter()? {
                weigh(&key, left, depth)?;
                weigh(&value.get_item(&key)?, left, depth)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn items(value: &Value) -> usize {
    value.len().unwrap_or(1).saturating_mul(ITEM_BYTES)
}

fn pay(left: &mut usize, bytes: usize) -> Result<(), Error> {
    *left = left.checked_sub(bytes).ok_or_else(too_much)?;
    Ok(())
}

fn too_much() -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("works on more than {WORK_BYTES_MAX} bytes"))
}

/// What a filter will yield that makes much of little.
fn predicted(name: &str, arguments: &[Value]) -> Result<usize, Error> {
    let text = |place: usize| arguments.get(place).and_then(Value::as_str).unwrap_or_default();
    match name {
        "replace" => {
            let found = if text(1).is_empty() { text(0).len() + 1 } else { text(0).matches(text(1)).count() };
            let to = arguments.get(2).and_then(Value::as_str).unwrap_or_default();
            Ok(found.saturating_mul(to.len()))
        }
        "join" => {
            let parts = arguments.first().map_or(0, |list| list.as_str().map_or_else(|| list.len().unwrap_or_default(), str::len));
            let with = given(arguments, 1, "d").and_then(|with| with.as_str().map(str::len)).unwrap_or_default();
            Ok(parts.saturating_mul(with))
        }
        "indent" => {
            let width = given(arguments, 1, "width").map_or(Ok(0), |width| narrow(&width))?;
            Ok(text(0).lines().count().saturating_mul(width))
        }
        "batch" => given(arguments, 1, "linecount").map_or(Ok(0), |width| narrow(&width)),
        "slice" => given(arguments, 1, "count").map_or(Ok(0), |width| narrow(&width)),
        "tojson" => given(arguments, 1, "indent").filter(Value::is_number).map_or(Ok(0), |width| narrow(&width)),
        "format" => is_narrow(text(0)).then_some(0).ok_or_else(|| wide("a width or precision of a format has at most 3 digits")),
        _ => Ok(0),
    }
}

/// An argument by its place, or by its name.
fn given(arguments: &[Value], place: usize, name: &str) -> Option<Value> {
    let by_place = arguments.get(place).filter(|value| !value.is_kwargs());
    let by_name =
        || arguments.last().filter(|last| last.is_kwargs()).and_then(|last| Kwargs::try_from(last.clone()).ok()?.peek::<Value>(name).ok());
    by_place.cloned().or_else(by_name)
}

fn narrow(width: &Value) -> Result<usize, Error> {
    let number = width.as_i64().filter(|width| (0..=WIDTH_MAX).contains(width)).and_then(|width| usize::try_from(width).ok());
    number.ok_or_else(|| wide("how wide or how many is a number from 0 to 1000"))
}

fn wide(rule: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, rule)
}

/// Whether no width of a format has many digits, or comes from an argument.
fn is_narrow(format: &str) -> bool {
    let mut digits = 0;
    let is_long = format.bytes().any(|byte| {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        digits > WIDTH_DIGITS_MAX
    });
    // Far more than any format is written with; and one without a field is text, whatever stands in it.
    !format.contains('%')
        || !is_long
            && !format.split('%').skip(1).any(|field| {
                field.trim_start_matches(['#', '0', '-', ' ', '+', '.', '1', '2', '3', '4', '5', '6', '7', '8', '9']).starts_with('*')
            })
}
