//! A table as data, whatever it is printed as.

/// A titled table with notes below it.
///
/// A row with fewer cells than there are columns ends with a cell that covers the rest of the line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// One line.
    pub title: String,
    /// What the cells of each column are.
    pub columns: Vec<Column>,
    /// The lines below the names of the columns.
    pub rows: Vec<Vec<Cell>>,
    /// Where a terminal is too narrow, the table goes on below itself with so many of its first columns repeated;
    /// with 0, the first column is shortened instead.
    pub repeated: usize,
    /// Sentences.
    pub notes: Vec<String>,
}

impl Table {
    /// One without rows.
    pub fn new(title: impl Into<String>, columns: impl IntoIterator<Item = Column>) -> Self {
        let columns = columns.into_iter().collect();
        Table { title: title.into(), columns, ..Table::default() }
    }

    /// The table with `rows`.
    #[must_use]
    pub fn rows(mut self, rows: impl IntoIterator<Item = Vec<Cell>>) -> Self {
        self.rows = rows.into_iter().collect();
        self
    }

    /// The table with `notes` below its others.
    #[must_use]
    pub fn notes<T: Into<String>>(mut self, notes: impl IntoIterator<Item = T>) -> Self {
        self.notes.extend(notes.into_iter().map(Into::into));
        self
    }
}

/// What the cells of a column hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Names of cases and other things, as commands take them.
    Id,
    /// Names of backends.
    Backend,
    /// A few words.
    Words,
    /// A sentence or a list, which may take several lines of a page.
    Prose,
    /// Figures, which end at the right.
    Number,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its head.
    pub name: String,
    /// What its cells hold.
    pub look: Look,
    /// Whether a terminal leaves it out where it is too narrow for all columns.
    pub detail: bool,
    /// Whether its name is that of a backend.
    pub of_backend: bool,
    /// Whether people are told in the title what all its cells say, if they all say the same.
    pub if_several: bool,
}

impl Column {
    fn new(name: impl Into<String>, look: Look) -> Self {
        Column { name: name.into(), look, detail: false, of_backend: false, if_several: false }
    }

    /// A column of names that commands take.
    pub fn id(name: impl Into<String>) -> Self {
        Column::new(name, Look::Id)
    }

    /// A column of names of backends.
    pub fn backend(name: impl Into<String>) -> Self {
        Column::new(name, Look::Backend)
    }

    /// A column of figures of the backend that it is named after.
    pub fn of_backend(name: impl Into<String>) -> Self {
        Column { of_backend: true, ..Column::number(name) }
    }

    /// A column of words.
    pub fn words(name: impl Into<String>) -> Self {
        Column::new(name, Look::Words)
    }

    /// A column of sentences.
    pub fn prose(name: impl Into<String>) -> Self {
        Column::new(name, Look::Prose)
    }

    /// A column of figures.
    pub fn number(name: impl Into<String>) -> Self {
        Column::new(name, Look::Number)
    }

    /// The column, left out where a terminal is too narrow.
    #[must_use]
    pub fn detail(self) -> Self {
        Column { detail: true, ..self }
    }

    /// The column, part of the title where all its cells say the same.
    #[must_use]
    pub fn if_several(self) -> Self {
        Column { if_several: true, ..self }
    }
}

/// How a cell stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Like most.
    #[default]
    Plain,
    /// Less important than what it stands beside.
    Muted,
    /// Certainly the best of its rivals: `*`.
    Best,
    /// Perhaps the best of its rivals: `~`.
    Tied,
    /// Better than expected.
    Good,
    /// Wrong or failed.
    Bad,
    /// Measured while others used the machine.
    Disturbed,
    /// Not what theory expects.
    Unexpected,
}

impl Tone {
    /// What stands behind a cell, wherever it is shown.
    pub(super) const fn mark(self) -> &'static str {
        match self {
            Tone::Best => "*",
            Tone::Tied => "~",
            Tone::Disturbed => "!",
            _ => "",
        }
    }
}

/// How large a figure is among its like, as a share of the largest: a page shows it behind the figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gauge {
    /// As a length.
    Bar(f64),
    /// As a depth of colour.
    Shade(f64),
}

/// A cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// What it says; `-` where there is nothing.
    pub text: String,
    /// What it is sorted by, if not by its text.
    pub value: Option<f64>,
    /// How it stands out.
    pub tone: Tone,
    /// How large it is.
    pub gauge: Option<Gauge>,
}

impl Cell {
    /// A number that is shown by `show` and sorted by its value; a dash where there is none.
    pub fn value(value: Option<f64>, show: impl Fn(f64) -> String) -> Self {
        let text = value.map_or_else(|| "-".into(), show);
        Cell { text, value, ..Cell::default() }
    }

    /// A count, or a dash.
    pub fn count(count: Option<usize>) -> Self {
        Cell::value(count.map(|n| n as f64), |n| n.to_string())
    }

    /// A text, or a dash.
    pub fn or_dash(text: Option<String>) -> Self {
        text.unwrap_or_else(|| "-".into()).into()
    }

    /// The cell, standing out by `tone`.
    #[must_use]
    pub fn tone(self, tone: Tone) -> Self {
        Cell { tone, ..self }
    }

    /// The cell, with `gauge` behind it.
    #[must_use]
    pub fn gauge(self, gauge: Gauge) -> Self {
        Cell { gauge: Some(gauge), ..self }
    }

    /// The cell, sorted by `value`.
    #[must_use]
    pub fn sorted_by(self, value: f64) -> Self {
        Cell { value: Some(value), ..self }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell { text: text.into(), ..Cell::default() }
    }
}
