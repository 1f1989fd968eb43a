//! Which elements of its focus an expression looks at, so that who has none of them need not be asked.

use super::tree::Expr;

/// What an expression reads of its focus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Only these elements.
    Members(Vec<String>),
    /// Perhaps anything.
    Anything,
}

pub(super) fn of(expr: &Expr) -> Reads {
    let mut members = Vec::new();
    if collect(expr, true, &mut members) {
        members.sort();
        members.dedup();
        Reads::Members(members)
    } else {
        Reads::Anything
    }
}

/// Gathers the members read. `at_focus`: whether `$this` is the focus. False where the expression
/// reads anything else of it.
fn collect(expr: &Expr, at_focus: bool, members: &mut Vec<String>) -> bool {
    match expr {
        Expr::Empty | Expr::Index | Expr::Total | Expr::Literal(_) => true,
        Expr::This | Expr::OfRoot(_) => !at_focus,
        Expr::Variable(_) => false,
        Expr::Member(of, name) if at_focus && matches!(**of, Expr::This | Expr::OfRoot(_)) => {
            members.push(name.clone());
            true
        }
        Expr::Member(of, _) | Expr::Typed(of, _, _) | Expr::Negated(of) => {
            collect(of, at_focus, members)
        }
        Expr::At(of, index) => collect(of, at_focus, members) && collect(index, at_focus, members),
        Expr::Binary(_, left, right) => {
            collect(left, at_focus, members) && collect(right, at_focus, members)
        }
        Expr::Union(branches) => branches
            .iter()
            .all(|branch| collect(branch, at_focus, members)),
        Expr::Call(call) => {
            let is_idle = call.function.is_idle_on_nothing() && is_path(&call.of);
            collect(&call.of, at_focus, members)
                && (is_idle
                    || call.arguments.iter().all(|argument| {
                        collect(argument, at_focus && !call.function.moves_this, members)
                    }))
        }
    }
}

/// Whether it is empty where the elements that it starts from are.
fn is_path(expr: &Expr) -> bool {
    match expr {
        Expr::Member(..) => true,
        Expr::At(of, _) | Expr::Typed(of, ..) => is_path(of),
        Expr::Call(call) => call.function.is_idle_on_nothing() && is_path(&call.of),
        _ => false,
    }
}
