//! The page without a pointer and without eyes: what keys reach and do, and what a screen reader is told.

use super::{known, words};

#[test]
fn tab_reaches_everything_and_what_has_the_focus_is_seen() {
    let Some(mut page) = known("") else { return };
    let mut reached = Vec::new();
    for _ in 0..18 {
        page.keys(&["Tab"]);
        let focused = page.run("focused()");
        reached.push(focused.as_str().unwrap().to_owned());
    }
    for id in
        ["theme", "tab-waterfall", "query", "source", "outcome", "group", "zoom-in", "from", "to", "rows"]
    {
        assert!(reached.contains(&format!("{id},true")), "{id} is not reached, or is not seen: {reached:?}");
    }
}

#[test]
fn arrows_move_through_the_tree_open_and_close_it() {
    let Some(mut page) = known("") else { return };
    page.run("$('zoom-in').focus()");
    page.keys(&["Tab", "Tab", "Tab"]);
    assert_eq!(page.run("active()"), "sales", "the first row, when the tree gets the focus");
    page.keys(&["ArrowRight"]);
    assert_eq!(page.run("active()"), "sales[emea]");
    assert_eq!(page.run("$('details').querySelector('h2').textContent"), "sales[emea]");
    page.keys(&["End"]);
    assert_eq!(page.run("active()"), "report");
    page.keys(&["Home", "ArrowDown", "ArrowDown"]);
    assert_eq!(page.run("active()"), "sales[apac]");
    page.keys(&["ArrowLeft"]);
    assert_eq!(page.run("active()"), "sales");
    page.keys(&["ArrowLeft"]);
    assert_eq!(words(&page.run("names()")), ["sales", "fx", "fx[EUR]", "fx[USD]", "report"]);
    assert_eq!(page.run("row('sales').ariaExpanded"), "false");
    page.keys(&["Enter"]);
    assert_eq!(page.run("row('sales').ariaExpanded"), "true");
}

#[test]
fn enter_goes_to_the_details_and_escape_comes_back() {
    let Some(mut page) = known("group=start") else { return };
    page.run("$('rows').focus()");
    page.keys(&["Home", "ArrowDown", "Enter"]);
    assert_eq!(page.run("[document.activeElement.id, $('panel').hidden].join()"), "details,false");
    page.keys(&["Escape"]);
    assert_eq!(page.run("[document.activeElement.id, $('panel').hidden].join()"), "rows,true");
    assert_eq!(page.run("active()"), "fx[EUR]");
}

#[test]
fn the_table_is_sorted_with_keys() {
    let Some(mut page) = known("view=items&item=1") else { return };
    page.run("$('table').focus()");
    page.keys(&["Tab", "Enter"]);
    assert_eq!(page.run("location.hash"), "#view=items&item=1&sort=label&order=up");
    assert_eq!(page.run("document.activeElement.dataset.sort"), "label", "the focus stays");
    page.keys(&["Enter"]);
    assert_eq!(words(&page.run("listed()"))[0], "sales[emea]");
}

#[test]
fn arrows_change_the_view_and_what_is_typed_zooms_nothing() {
    let Some(mut page) = known("") else { return };
    page.run("$('tab-waterfall').focus()");
    page.keys(&["ArrowRight"]);
    assert_eq!(
        page.run("[document.activeElement.id, $('waterfall').hidden, $('items').hidden].join()"),
        "tab-items,true,false"
    );
    page.keys(&["ArrowLeft", "/", "+", "0"]);
    assert_eq!(page.run("location.hash"), "#query=%2B0");
}

#[test]
fn a_screen_reader_is_told_each_row_in_a_sentence() {
    let Some(mut page) = known("") else { return };
    let heard = page.heard();
    let named = |role: &str| {
        heard.iter().filter(|(of, _)| of == role).map(|(_, name)| name.as_str()).collect::<Vec<_>>()
    };
    let rows = [
        "sales, 2 items",
        "sales[emea], done, waited 500 ms for source:shop to be connected, ran 1.00 s",
        "sales[apac], done, waited 2.00 s for source:shop (concurrency 1), ran 1.00 s, in 2 attempts",
        "fx, 2 items",
        "fx[EUR], failed, waited 250 ms for source:rates (rate 4/s), ran 1.00 s",
        "fx[USD], not started, waited 1.25 s for source:rates (rate 4/s)",
        "report, done, ran 4.00 s",
    ];
    assert_eq!(named("row")[1..], rows, "after the head");
    assert_eq!(named("treegrid"), ["Items on the time axis"]);
    assert_eq!(named("columnheader"), ["Item", "Outcome", "Time", "Waited", "Ran"]);
    assert_eq!(named("tab"), ["Waterfall", "Items", "Waits", "Not done"]);
    assert_eq!(named("slider"), ["Start of the part that is shown", "End of the part that is shown"]);
    let charts = ["running at once over time, at most 3", "waiting at once over time, at most 4"];
    assert!(charts.iter().all(|chart| named("image").contains(chart)), "{:?}", named("image"));
    for role in ["button", "combobox", "searchbox", "radio", "slider", "tab", "tabpanel", "image"] {
        assert!(
            !named(role).is_empty() && named(role).iter().all(|name| !name.is_empty()),
            "{role}: {heard:?}"
        );
    }
}

#[test]
fn levels_and_places_of_rows_are_told() {
    let Some(mut page) = known("") else { return };
    let places = page.run("rows().map((row) => [row.ariaRowIndex, row.ariaLevel, row.ariaExpanded].join())");
    assert_eq!(words(&places), ["2,1,true", "3,2,", "4,2,", "5,1,true", "6,2,", "7,2,", "8,1,"]);
    assert_eq!(page.run("$('rows').ariaRowCount"), "8");
}
