//! Terms as text of the language.

use std::fmt;

use crate::term::{Call, Part, Term, Unit};

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::Bool(value) => write!(f, "{value}"),
            Term::Int(value) => write!(f, "{value}"),
            Term::Float(value) => write!(f, "{value:?}"),
            Term::Range(low, high) => write!(f, "{low:?}..={high:?}"),
            Term::Percent(value) => write!(f, "{value}%"),
            Term::Text(value) => write!(f, "{value:?}"),
            Term::Symbol(value) => f.write_str(value),
            Term::Duration(amount, Unit::Epochs) => write!(f, "{amount} epochs"),
            Term::Duration(amount, Unit::Steps) => write!(f, "{amount} steps"),
            Term::Call(call) => write!(f, "{call}"),
            Term::Chain(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    let joint = if index == 0 { "" } else { " >> " };
                    write!(f, "{joint}{part}")?;
                }
                Ok(())
            }
            Term::Split(split) => {
                let part = match split.part {
                    Part::Train => "train",
                    Part::Test => "test",
                };
                write!(f, "{}.{part}", split.dataset)?;
                if !split.labeled {
                    f.write_str(".unlabeled")?;
                }
                if split.percent < 100.0 {
                    write!(f, ".sample({}%)", split.percent)?;
                }
                if let Some(each) = split.each {
                    write!(f, ".few({each})")?;
                }
                Ok(())
            }
            Term::Output(output) => write!(f, "stage {}.{}", output.stage, output.output),
            Term::Objective(objective) => {
                write!(
                    f,
                    "objective of {} tensors over {} views",
                    objective.nodes.len(),
                    objective.views
                )
            }
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        for (index, (name, value)) in self.args.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}: {value}")?;
        }
        f.write_str(")")
    }
}
