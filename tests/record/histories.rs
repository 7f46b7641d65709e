//! The checker of histories finds what is wrong.

use std::time::{Duration, Instant};

use crate::history::{Answer, Call, Request, check};

fn request(id: &str, entry_count: u64, history: &str) -> Request {
    Request {
        ledger_id: "a".into(),
        checkpoint_id: id.into(),
        entry_count,
        history: history.into(),
    }
}

/// Calls at times: sent, answered, what, answer.
fn judged(rows: &[Request], calls: &[(u64, u64, Request, Answer)]) -> Result<(), String> {
    let start = Instant::now();
    let calls = calls.iter().map(|(sent, answered, request, answer)| Call {
        request: request.clone(),
        sent: start + Duration::from_secs(*sent),
        answered: start + Duration::from_secs(*answered),
        answer: answer.clone(),
    });
    let calls: Vec<_> = calls.collect();
    check(rows, &calls.iter().collect::<Vec<_>>())
}

fn signed() -> Answer {
    Answer::Signed("{}".into())
}

#[test]
fn right_histories_are_accepted() {
    let (one, two) = (request("1", 1, "x"), request("2", 2, "x"));
    let late = request("late", 1, "y");
    let rows = [one.clone(), two.clone()];
    let calls = [
        (0, 5, one.clone(), signed()),
        (1, 6, two.clone(), signed()),
        // A retry, before its answer is there.
        (2, 9, one.clone(), signed()),
        (3, 4, late.clone(), Answer::Equivocation),
        (7, 8, request("3", 0, "x"), Answer::Rollback),
    ];
    judged(&rows, &calls).unwrap();
    // Whoever made the second row never heard of it.
    let calls = [
        (0, 1, one.clone(), signed()),
        (2, 3, two.clone(), Answer::Unknown),
        (8, 9, two.clone(), signed()),
        (4, 5, request("3", 1, "x"), Answer::Rollback),
    ];
    judged(&rows, &calls).unwrap();
}

#[test]
fn wrong_histories_are_found() {
    let (one, two) = (request("1", 1, "x"), request("2", 2, "x"));
    let made = |from, to, request: &Request| (from, to, request.clone(), signed());
    let cases = [
        (
            "lost",
            vec![one.clone()],
            vec![made(0, 1, &one), made(2, 3, &two)],
        ),
        (
            "two histories of a place",
            vec![one.clone(), request("2", 1, "y")],
            vec![made(0, 1, &one), made(0, 1, &request("2", 1, "y"))],
        ),
        (
            "rows in another order than the calls",
            vec![one.clone(), two.clone()],
            vec![made(5, 6, &one), made(1, 2, &two)],
        ),
        (
            "refused before there was a reason",
            vec![one.clone(), two.clone()],
            vec![
                made(0, 1, &one),
                (2, 3, request("3", 1, "x"), Answer::Rollback),
                made(4, 5, &two),
            ],
        ),
        (
            "refused for a wrong reason",
            vec![one.clone(), two.clone()],
            vec![
                made(0, 1, &one),
                made(2, 3, &two),
                (4, 5, request("3", 1, "y"), Answer::Rollback),
            ],
        ),
        (
            "signed before it was sent",
            vec![one.clone(), two.clone()],
            vec![
                made(4, 5, &one),
                made(6, 7, &two),
                (1, 2, request("3", 1, "y"), Answer::Equivocation),
            ],
        ),
        ("made by nobody", vec![one.clone()], vec![]),
        (
            "made after it was answered",
            vec![one.clone(), two.clone()],
            vec![made(3, 4, &one), made(0, 2, &two), made(5, 6, &two)],
        ),
    ];
    for (name, rows, calls) in cases {
        assert!(judged(&rows, &calls).is_err(), "{name}");
    }
}
