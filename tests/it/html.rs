//! The page of a run in a real browser: what it shows where, and what keys, the pointer and a screen reader find. Not
//! here: the data in it (`src/report/html/tests.rs`).

mod keys;
mod logs;
mod looks;
mod times;
mod views;

use crate::support::browser;
use crate::support::browser::Page;
use fanout::gather::Event;
use fanout::report::{Timeline, html};
use serde_json::Value;

/// What the tests ask of a page.
const TOOLS: &str = include_str!("html/tools.js");

/// The page of a run of which so many ended items are kept in detail.
fn render(events: &[Event], detail: usize) -> Vec<u8> {
    let mut timeline = Timeline::with_detail(detail);
    events.iter().for_each(|event| timeline.add(event));
    let mut page = Vec::new();
    html::html(&timeline, &mut page).unwrap();
    page
}

/// The page in the browser, with what follows the `#` of its address; none where there is no browser.
fn open(html: &[u8], fragment: &str) -> Option<Page> {
    let mut page = browser()?.open(html, fragment);
    page.run(TOOLS);
    Some(page)
}

/// The page of [`logs::known`].
fn known(fragment: &str) -> Option<Page> {
    open(&render(&logs::known(), 100), fragment)
}

/// Shows the page with another fragment.
fn again(page: &mut Page, fragment: &str) {
    page.show(fragment);
    page.run(TOOLS);
}

/// The middle of an element.
fn middle(page: &mut Page, element: &str) -> (f64, f64) {
    let place = page.run(&format!("box({element})"));
    (number(&place["x"]), number(&place["y"]))
}

#[track_caller]
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("not a number: {value}"))
}

#[track_caller]
fn words(value: &Value) -> Vec<&str> {
    let list = value.as_array().unwrap_or_else(|| panic!("not a list: {value}"));
    list.iter().map(|value| value.as_str().unwrap()).collect()
}
