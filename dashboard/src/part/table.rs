//! Rows and columns. On a narrow screen each row becomes a card, whose cells have the names of their columns.

use maud::{Markup, html};

/// A row: an id that stays the same while the row is about the same thing, and its cells.
pub(crate) type Row = (String, Vec<Markup>);

/// A table; `name` says what it lists.
pub(crate) fn show(name: &str, columns: &[&str], rows: &[Row]) -> Markup {
    html! {
        div.table {
            table aria-label=(name) {
                thead { tr { @for column in columns { th scope="col" { (column) } } } }
                tbody #rows {
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
