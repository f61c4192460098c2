//! Rows and columns. On a narrow screen each row becomes a card, whose cells have the names of their columns.

use maud::{Markup, html};

/// A row: an id that stays the same while the row is about the same thing, and its cells.
pub(crate) type Row = (String, Vec<Markup>);

/// A table; `name` says what it lists. It is the one of its page that goes on.
pub(crate) fn show(name: &str, columns: &[&str], rows: &[Row]) -> Markup {
    drawn(name, columns, rows, Some("rows"))
}

/// A table that is whole as it is, beside which there may be others.
pub(crate) fn whole(name: &str, columns: &[&str], rows: &[Row]) -> Markup {
    drawn(name, columns, rows, None)
}

fn drawn(name: &str, columns: &[&str], rows: &[Row], id: Option<&str>) -> Markup {
    html! {
        div.table {
            table aria-label=(name) {
                thead { tr { @for column in columns { th scope="col" { (column) } } } }
                tbody id=[id] {
                    @for (id, cells) in rows {
                        tr id={ "row-" (id) } {
                            @for (column, cell) in columns.iter().zip(cells) { td data-label=(column) { (cell) } }
                        }
                    }
                }
            }
        }
    }
}
