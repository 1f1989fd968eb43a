//! What single tokens mean.

use super::Parsed;
use crate::fhirpath::lex::refused;
use crate::fhirpath::moment::Moment;
use crate::fhirpath::tree::{Expr, Operator, Variable};
use crate::fhirpath::value::Value;

pub(super) fn united(left: Expr, right: Expr) -> Expr {
    match left {
        Expr::Union(mut branches) => {
            branches.push(right);
            Expr::Union(branches)
        }
        left => Expr::Union(vec![left, right]),
    }
}

pub(super) fn sign_operator(sign: &str) -> Option<Operator> {
    Some(match sign {
        "=" => Operator::Equal,
        "!=" => Operator::NotEqual,
        "~" => Operator::Equivalent,
        "!~" => Operator::NotEquivalent,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        "+" => Operator::Plus,
        "-" => Operator::Minus,
        "&" => Operator::Concatenate,
        "*" => Operator::Times,
        "/" => Operator::Over,
        _ => return None,
    })
}

pub(super) fn word_operator(word: &str) -> Option<Operator> {
    Some(match word {
        "implies" => Operator::Implies,
        "or" => Operator::Or,
        "xor" => Operator::Xor,
        "and" => Operator::And,
        "in" => Operator::In,
        "contains" => Operator::Contains,
        "div" => Operator::Div,
        "mod" => Operator::Mod,
        _ => return None,
    })
}

pub(super) fn moment(text: &str, at: usize) -> Parsed {
    let moment = Moment::literal(text).ok_or_else(|| refused("This is no date or time", at))?;
    Ok(Expr::Literal(Value::Moment(moment)))
}

pub(super) fn special(name: &str, at: usize) -> Parsed {
    match name {
        "this" => Ok(Expr::This),
        "index" => Ok(Expr::Index),
        "total" => Ok(Expr::Total),
        _ => Err(refused("Only $this, $index and $total are known", at)),
    }
}

pub(super) fn variable(name: &str, at: usize) -> Parsed {
    let text = match name {
        "context" => return Ok(Expr::Variable(Variable::Context)),
        "resource" => return Ok(Expr::Variable(Variable::Resource)),
        "rootResource" => return Ok(Expr::Variable(Variable::RootResource)),
        "previous" => return Ok(Expr::Variable(Variable::Previous)),
        "current" => return Ok(Expr::Variable(Variable::Current)),
        "ucum" => "http://unitsofmeasure.org".to_string(),
        "sct" => "http://snomed.info/sct".to_string(),
        "loinc" => "http://loinc.org".to_string(),
        _ => match (name.strip_prefix("vs-"), name.strip_prefix("ext-")) {
            (Some(set), _) => format!("http://hl7.org/fhir/ValueSet/{set}"),
            (_, Some(extension)) => format!("http://hl7.org/fhir/StructureDefinition/{extension}"),
            _ => return Err(refused(&format!("%{name} is not known"), at)),
        },
    };
    Ok(Expr::Literal(Value::text(text)))
}
