use super::{Attempt, End, Item, Job, Limit, Replay, Stuck, Takes};
use crate::gather::limit::Rate;
use std::sync::Arc;
use std::time::Duration;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn run(most: u64) -> Limit {
    Limit::new("run").concurrency(most)
}

/// Takes one of each of these limits.
fn takes(limits: &[usize]) -> Arc<Takes> {
    Arc::new(Takes { limits: limits.iter().map(|limit| (*limit, 1)).collect(), source: None })
}

/// Takes one of the limit that stands for its source.
fn at_source(limit: usize) -> Arc<Takes> {
    Arc::new(Takes { limits: vec![(limit, 1)], source: Some(limit) })
}

/// An item of attempts that run so long and end so.
fn item(takes: &Arc<Takes>, attempts: &[(u64, End)]) -> Item {
    let attempt = |(runs, end): &(u64, End)| Attempt { runs: ms(*runs), hold: None, end: *end };
    Item { takes: takes.clone(), attempts: attempts.iter().map(attempt).collect(), ..Item::default() }
}

fn done(takes: &Arc<Takes>, runs: u64) -> Item {
    item(takes, &[(runs, End::Done)])
}

fn job(items: Vec<Item>) -> Job {
    Job { items, ..Job::default() }
}

/// How long these take, in milliseconds, and the peaks.
fn played(limits: &[Limit], jobs: &[Job]) -> (u128, Vec<u64>) {
    let replay = Replay { limits: limits.to_vec(), jobs: jobs.to_vec() };
    let replayed = replay.run().unwrap();
    (replayed.wall.as_millis(), replayed.peaks)
}

fn wall(limits: &[Limit], jobs: &[Job]) -> u128 {
    played(limits, jobs).0
}

#[test]
fn an_item_starts_when_all_its_limits_have_room() {
    let limits = [run(9), Limit::new("a").concurrency(2), Limit::new("b").concurrency(3)];
    let jobs = [job(vec![done(&takes(&[1, 2]), 100); 3]), job(vec![done(&takes(&[2]), 100); 3])];
    // a: two at once; b: one more beside them, then the third of the first job and the last two.
    assert_eq!(played(&limits, &jobs), (200, vec![3, 2, 3]));
}

#[test]
fn weights_are_taken_of_a_limit() {
    let heavy = Arc::new(Takes { limits: vec![(1, 3)], source: None });
    let limits = [run(9), Limit::new("bytes").concurrency(6)];
    assert_eq!(played(&limits, &[job(vec![done(&heavy, 100); 4])]), (200, vec![2, 6]));
}

#[test]
fn a_rate_spaces_starts_and_a_jobs_own_limits_count() {
    let rated = Limit { rate: Some(Rate { count: 10, per: ms(1000) }), ..Limit::new("api") };
    let items = vec![done(&takes(&[1]), 30); 6];
    assert_eq!(wall(&[run(9), rated], &[job(items.clone())]), 530);
    let own = Job { rate: Some(Rate { count: 1, per: ms(40) }), ..job(items.clone()) };
    assert_eq!(wall(&[run(9), Limit::new("api")], &[own]), 230);
    let own = Job { concurrency: Some(2), ..job(items) };
    assert_eq!(wall(&[run(9), Limit::new("api")], &[own]), 90);
}

#[test]
fn a_job_waits_for_what_it_needs_and_takes_its_time_to_begin_and_to_end() {
    let first = Job { delay: ms(1), closing: ms(3), ..job(vec![done(&takes(&[]), 100)]) };
    let other = job(vec![done(&takes(&[]), 50)]);
    let last = Job { needs: vec![0, 1], delay: ms(7), ..job(vec![done(&takes(&[]), 20)]) };
    assert_eq!(wall(&[run(9)], &[first, other, last]), 1 + 100 + 3 + 7 + 20);
}

#[test]
fn an_item_that_waits_for_its_retry_holds_no_slot() {
    let twice = item(&takes(&[]), &[(10, End::Again(ms(100))), (10, End::Done)]);
    let jobs = [job(vec![twice, done(&takes(&[]), 60), done(&takes(&[]), 60)])];
    assert_eq!(wall(&[run(1)], &jobs), 10 + 60 + 60 + 10);
}

#[test]
fn as_many_retries_are_made_as_were_recorded() {
    let often: Vec<_> = std::iter::repeat_n((1, End::Again(ms(1))), 300).chain([(1, End::Over)]).collect();
    let jobs = [job(vec![item(&takes(&[]), &often); 3])];
    assert_eq!(wall(&[run(9)], &jobs), 601);
}

#[test]
fn the_first_item_of_a_source_connects_for_all() {
    let source = |connects| Limit { connects: Some(ms(connects)), ..Limit::new("source:a").concurrency(4) };
    let jobs = [job(vec![done(&at_source(1), 100); 4])];
    assert_eq!(wall(&[run(9), source(30)], &jobs), 130);
    // It says so at the latest when it is done.
    assert_eq!(wall(&[run(9), source(5000)], &jobs), 200);
}

#[test]
fn a_source_that_is_not_connected_is_left_alone_for_its_pause() {
    let source = Limit { connects: Some(ms(10)), ..Limit::new("source:a").concurrency(4) };
    let first = item(&at_source(1), &[(5, End::Unconnected(ms(50))), (100, End::Done)]);
    let jobs = [job(vec![first, done(&at_source(1), 100)])];
    assert_eq!(wall(&[run(9), source], &jobs), 5 + 50 + 10 + 100);
}

#[test]
fn a_source_that_refuses_ends_all_its_items() {
    let source = Limit { connects: Some(ms(10)), ..Limit::new("source:a").concurrency(4) };
    let mut items = vec![done(&at_source(1), 100); 4];
    items[0] = item(&at_source(1), &[(20, End::Refused)]);
    let after = Job { needs: vec![0], ..job(vec![done(&takes(&[]), 1)]) };
    assert_eq!(wall(&[run(9), source], &[job(items), after]), 21);
}

#[test]
fn a_source_that_asks_for_it_is_left_alone() {
    let source = Limit { connects: Some(ms(0)), ..Limit::new("source:a").concurrency(2) };
    let mut items = vec![done(&at_source(1), 100); 3];
    items[0].attempts[0].hold = Some((ms(100), ms(400)));
    assert_eq!(wall(&[run(9), source], &[job(items)]), 100 + 400 + 100);
}

#[test]
fn items_come_when_their_page_has_ended_and_a_page_when_there_is_room() {
    let limits = [run(2)];
    let listed = |page| Item { page: Some(page), ..done(&takes(&[]), 10) };
    let fed =
        Job { look_ahead: 2, items: [vec![listed(1); 6], vec![listed(2); 2]].concat(), ..Job::default() };
    let page = |needs: &[usize]| Job {
        needs: needs.to_vec(),
        lists_for: Some(0),
        ..job(vec![done(&takes(&[]), 100)])
    };
    // At 100 two start and two are looked ahead for, which leaves two: the second page is asked for. It has its turn at
    // 110, when both slots are free.
    let jobs = [fed.clone(), page(&[]), page(&[1])];
    assert_eq!(wall(&limits, &jobs), 110 + 100 + 10);
    // With more of them it is asked for when one has ended.
    let more = Job { items: [vec![listed(1); 7], vec![listed(2); 2]].concat(), ..fed };
    assert_eq!(wall(&[run(9)], &[more.clone(), page(&[]), page(&[1])]), 100 + 100 + 10);
    let narrow = Job { concurrency: Some(1), ..more };
    // One starts at 100, two are ahead, four left; at 120 two are left.
    assert_eq!(wall(&[run(9)], &[narrow, page(&[]), page(&[1])]), 220 + 20);
}

#[test]
fn no_more_items_are_looked_at_than_the_look_ahead() {
    let limits = [run(9), Limit::new("slow").concurrency(1), Limit::new("fast").concurrency(9)];
    let items = [vec![done(&takes(&[1]), 100); 4], vec![done(&takes(&[2]), 350)]].concat();
    assert_eq!(wall(&limits, &[job(items.clone())]), 400);
    // The last item comes into view when the third of the slow ones starts.
    assert_eq!(wall(&limits, &[Job { look_ahead: 2, ..job(items) }]), 200 + 350);
}

#[test]
fn items_come_when_they_came() {
    let late = Item { delay: ms(70), ..done(&takes(&[]), 10) };
    let jobs = [job(vec![done(&takes(&[]), 10), late, done(&takes(&[]), 10)])];
    assert_eq!(played(&[run(9)], &jobs), (80, vec![2]));
}

#[test]
fn jobs_that_wait_for_each_other_are_found_out() {
    let one = Job { needs: vec![1], ..Job::default() };
    let other = Job { needs: vec![0], ..Job::default() };
    assert_eq!(Replay { limits: vec![run(1)], jobs: vec![one, other] }.run(), Err(Stuck));
    assert_eq!(Replay::default().run().unwrap().wall, Duration::ZERO);
}
