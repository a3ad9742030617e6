//! What a protocol has found.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::accuracy::{Accuracy, ClassAccuracy, Confusion};
use crate::device::Precision;
use crate::resolve::Declaration;

/// A number, and how it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// In the unit that the protocol declares.
    pub value: f64,
    /// What was done, in a sentence for people.
    pub protocol: String,
    /// What was counted, where the number is of examples that were given their own class.
    pub counts: Option<Counts>,
    /// What keeps the number from being taken as it is.
    pub warning: Option<Warning>,
}

/// How many of a split's examples were given their own class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    pub correct: usize,
    pub total: usize,
    /// By class.
    pub classes: Vec<ClassAccuracy>,
    /// What was given in the place of what, most often first; the first thousand.
    #[serde(default)]
    pub confused: Vec<Confusion>,
}

/// A finding about an evaluation that does not keep it from giving a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Kebab-case and stable.
    pub name: String,
    pub message: String,
}

/// What every protocol calls the images that it was shown, unless it was shown others.
const PLAIN: &str = "plain images";

impl Judged {
    /// The same, found of what a recipe makes of the images.
    pub fn shown_by(self, recipe: &str) -> Self {
        let protocol = self.protocol.replacen(PLAIN, &format!("images by {recipe}"), 1);
        Judged { protocol, ..self }
    }

    /// The same, found of so many networks' features.
    pub fn of_networks(mut self, count: usize) -> Self {
        if count > 1 {
            self.protocol = self.protocol.replacen("the encoder's", "both encoders'", 1);
        }
        self
    }

    /// The same, found of what the network computes in such numbers.
    pub fn computed_in(mut self, precision: Precision) -> Self {
        if precision != Precision::F32 {
            self.protocol += &format!("; network in {}", precision.name());
        }
        self
    }
}

impl From<Accuracy> for Judged {
    fn from(found: Accuracy) -> Self {
        let Accuracy { top1: value, correct, total, classes, confused, protocol, warning } = found;
        let counts = Some(Counts { correct, total, classes, confused });
        Judged { value, protocol, counts, warning }
    }
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// From 0 to 1.
    Share,
    /// Nothing: a number alone.
    Number,
}

/// Which of two numbers is the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    Higher,
    Lower,
}

impl Quantity {
    /// What a protocol declares as `unit`.
    pub fn of(protocol: &Declaration) -> Option<Self> {
        match protocol.named("unit")? {
            "share" => Some(Quantity::Share),
            "number" => Some(Quantity::Number),
            _ => None,
        }
    }

    /// A value of it, for people.
    pub fn show(self, value: f64) -> Shown {
        Shown(self, value)
    }
}

impl Better {
    /// What a protocol declares as `better`.
    pub fn of(protocol: &Declaration) -> Option<Self> {
        match protocol.named("better")? {
            "higher" => Some(Better::Higher),
            "lower" => Some(Better::Lower),
            _ => None,
        }
    }
}

pub struct Shown(Quantity, f64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown(Quantity::Share, value) => write!(f, "{:.2}%", 100.0 * value),
            Shown(Quantity::Number, value) => write!(f, "{value:.4}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn values_are_shown_in_their_unit() {
        assert_eq!(Quantity::Share.show(0.24355).to_string(), "24.36%");
        assert_eq!(Quantity::Number.show(-1.5).to_string(), "-1.5000");
    }
}
