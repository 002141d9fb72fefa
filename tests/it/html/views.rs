//! What is shown: filters, groups, tables, details, big runs, runs that were cut off.

use super::logs::{cut, known as known_events, many};
use super::{TOOLS, again, known, middle, number, open, render, words};

const MATCHES: &str = "$('matches').textContent";

#[test]
fn a_page_complains_about_nothing_and_asks_nobody() {
    let Some(mut page) = known("") else { return };
    for script in [
        "$('tab-items').click()",
        "$('tab-waits').click()",
        "$('tab-lost').click()",
        "$('tab-waterfall').click()",
    ] {
        page.run(script);
        page.settle();
    }
    let bar = middle(&mut page, "row('fx[EUR]').querySelector('.run')");
    page.point(bar);
    page.click(bar);
    page.keys(&["ArrowDown", "Escape", "+"]);
    assert!(page.print().len() > 1000);
    assert_eq!(page.complaints(), Vec::<String>::new());
    assert_eq!(page.run("document.scripts.length"), 2, "no text became a script");
    assert_eq!(page.run("document.querySelectorAll('b').length"), 2, "no text became an element");
}

#[test]
fn what_is_left_of_a_damaged_log_is_shown() {
    let events = known_events();
    let Some(mut page) = open(&render(&events, 100), "item=1") else { return };
    for lost in 0..events.len() {
        let rest = [&events[..lost], &events[lost + 1..]].concat();
        page.rewrite(&render(&rest, 100));
        page.run(TOOLS);
        assert!(number(&page.run("Number($('rows').ariaRowCount)")) > 1.0, "without {:?}", events[lost]);
    }
    for few in [&events[..0], &events[..1]] {
        page.rewrite(&render(few, 100));
        page.run(TOOLS);
        assert_eq!(page.run("$('matches').textContent"), "0 items");
    }
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn the_head_says_what_came_of_the_run() {
    let Some(mut page) = known("") else { return };
    assert_eq!(page.run("document.title"), "nightly · 5 items: 3 done, 1 not started, 1 failed · fanout");
    assert_eq!(
        page.run("$('verdict').textContent"),
        "5 items: 3 done, 1 not started, 1 failed · exit code 1"
    );
    let about = "run 20261122-101500-7f3a · started 2026-11-22 10:15:00 UTC · fanout 0.1.0";
    assert_eq!(page.run("$('about').textContent"), about);
    let figures = page.run("cells('#figures > div')");
    let told = [
        "wall | 4.00 s",
        "sum | 7.00 s",
        "overlap | 1.75×",
        "peak at once | 3 of 1,024",
        "mean at once | 1.75",
        "received | 2.50 KiB",
        "rows | 12",
    ];
    assert_eq!(words(&figures), told);
    assert_eq!(page.run("$('notices').children.length"), 0);
}

#[test]
fn filters_are_kept_in_the_address_and_a_link_shows_the_same() {
    let Some(mut page) = known("group=start") else { return };
    assert_eq!(page.run(MATCHES), "5 items");
    page.keys(&["/", "s", "o", "r", "r", "y"]);
    assert_eq!(page.run(MATCHES), "1 of 5 items");
    assert_eq!(words(&page.run("names()")), ["fx[EUR]"], "found in its error");
    assert_eq!(page.run("location.hash"), "#group=start&query=sorry");
    again(&mut page, "group=start&query=EMEA.csv");
    assert_eq!(words(&page.run("names()")), ["sales[emea]"], "found by its output, in any case");
    again(&mut page, "group=start&query=fx[eur]");
    assert_eq!(words(&page.run("names()")), ["fx[EUR]"], "found by its label, in any case");
    page.run("change('query', '')");
    page.run("change('query', ''); change('source', 'rates')");
    assert_eq!(words(&page.run("names()")), ["fx[EUR]", "fx[USD]"]);
    page.run("change('outcome', 'not_started')");
    assert_eq!(page.run(MATCHES), "1 of 5 items");
    let address = page.run("location.hash");
    assert_eq!(address, "#group=start&source=rates&outcome=not_started");
    again(&mut page, &address.as_str().unwrap()[1..]);
    assert_eq!(words(&page.run("names()")), ["fx[USD]"]);
    assert_eq!(page.run("[$('source').value, $('outcome').value].join()"), "rates,not_started");
    page.run("location.hash = 'query=report'");
    page.settle();
    assert_eq!(words(&page.run("names()")), ["report"], "the address may change under the page");
    again(&mut page, "view=nothing&group=x&sort=y&source=z&item=77&from=a&to=-1");
    assert_eq!(page.run(MATCHES), "0 of 5 items", "an address may hold anything");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn items_are_grouped_by_job_source_start_and_lane() {
    let Some(mut page) = known("") else { return };
    let by_job = ["sales", "sales[emea]", "sales[apac]", "fx", "fx[EUR]", "fx[USD]", "report"];
    assert_eq!(words(&page.run("names()")), by_job);
    page.run("document.querySelector('[value=source]').click()");
    let by_source = ["shop", "sales[emea]", "sales[apac]", "rates", "fx[EUR]", "fx[USD]", "sleep", "report"];
    assert_eq!(words(&page.run("names()")), by_source);
    page.run("document.querySelector('[value=start]').click()");
    let by_start = ["report", "fx[EUR]", "sales[emea]", "fx[USD]", "sales[apac]"];
    assert_eq!(words(&page.run("names()")), by_start);
    page.run("document.querySelector('[value=lane]').click()");
    assert_eq!(words(&page.run("names()")), ["lane 0", "lane 1", "lane 2"]);
    let bars = page.run("[...row('lane 1').querySelectorAll('rect')].map((bar) => bar.dataset.item)");
    assert_eq!(words(&bars), ["2", "1", "1"], "EUR, then both attempts of apac");
    assert_eq!(words(&page.run("texts('#rows .name')")), ["report", "EUR", "apac", "apac", "emea"]);
    let lane = middle(&mut page, "row('lane 1').querySelector('.label')");
    page.click(lane);
    assert_eq!(words(&page.run("names()")), ["lane 0", "lane 1", "sales[apac]", "fx[EUR]", "lane 2"]);
}

#[test]
fn details_are_shown_at_the_pointer_and_in_the_panel() {
    let Some(mut page) = known("") else { return };
    let bar = middle(&mut page, "row('sales[apac]').querySelector('.run')");
    page.point(bar);
    assert_eq!(page.run("[$('tip').hidden, $('panel').hidden].join()"), "false,true");
    assert_eq!(page.run("$('tip').querySelector('h2').textContent"), "sales[apac]");
    page.click(bar);
    assert_eq!(page.run("[$('tip').hidden, $('panel').hidden].join()"), "true,false", "not twice");
    let facts = page.run("texts('#details dl > *')");
    let told = [
        "source",
        "shop (postgres), postgres://shop.example",
        "queued",
        "at 0 s",
        "ended",
        "at 3.00 s",
        "waited",
        "2.00 s",
        "ran",
        "1.00 s",
        "received",
        "512 B",
    ];
    assert_eq!(words(&facts), told);
    let attempts = page.run("cells('#details :is(h3, tbody tr, pre)')");
    let told = [
        "Attempt 1: failed after 500 ms in lane 1",
        "waited for source:shop (concurrency 1) | 0 s | 1.50 s",
        "running | 1.50 s | 500 ms",
        "connection reset",
        "Attempt 2: done after 500 ms in lane 1",
        "waited before another attempt | 2.00 s | 250 ms",
        "waited for source:shop (concurrency 1) | 2.25 s | 250 ms",
        "running | 2.50 s | 500 ms",
    ];
    assert_eq!(words(&attempts), told);
    let failed = middle(&mut page, "row('fx[EUR]')");
    page.click(failed);
    let error = "GET https://rates.example/EUR: status 500: </script><b>sorry</b>\n(try later)";
    assert_eq!(page.run("$('details').querySelector('pre').textContent"), error);
    assert_eq!(page.run("location.hash"), "#item=2");
}

#[test]
fn the_table_is_sorted_by_each_of_its_columns() {
    let Some(mut page) = known("view=items") else { return };
    let longest_first = ["report", "sales[emea]", "sales[apac]", "fx[EUR]", "fx[USD]"];
    assert_eq!(words(&page.run("listed()")), longest_first);
    let sort = |column: &str| format!("document.querySelector('[data-sort={column}]').click()");
    page.run(&sort("waited"));
    assert_eq!(words(&page.run("listed()")), ["sales[apac]", "fx[USD]", "sales[emea]", "fx[EUR]", "report"]);
    page.run(&sort("bytes"));
    assert_eq!(words(&page.run("listed()"))[..2], ["sales[emea]", "sales[apac]"]);
    page.run(&sort("bytes"));
    assert_eq!(words(&page.run("listed()"))[3..], ["sales[apac]", "sales[emea]"]);
    let said = "document.querySelector('#table-head [aria-sort]:not([aria-sort=none])').ariaSort";
    assert_eq!(page.run(said), "ascending");
    assert_eq!(page.run("location.hash"), "#view=items&sort=bytes&order=up");
}

#[test]
fn waits_losses_and_notes_have_their_tables() {
    let Some(mut page) = known("view=waits") else { return };
    let waits = page.run("cells('#waits table:first-of-type tbody tr')");
    let told = [
        "for source:shop (concurrency 1) | source:shop | concurrency | 2 | 1.75 s | 875 ms | 64 %",
        "for source:shop to be connected | source:shop | connect | 1 | 500 ms | 500 ms | 18 %",
        "for source:rates (rate 4/s) | source:rates | rate | 1 | 250 ms | 250 ms | 9 %",
        "before another attempt |  | retry | 1 | 250 ms | 250 ms | 9 %",
    ];
    assert_eq!(words(&waits), told);
    let lost = page.run("texts('#lost tbody td:nth-child(3)')");
    assert_eq!(words(&lost), ["fx[EUR]", "fx[USD]"]);
    assert_eq!(page.run("$('lost').querySelector('li').textContent"), "job \"fx\": the day is a holiday");
}

#[test]
fn a_run_that_was_cut_off_says_so() {
    let Some(mut page) = open(&render(&cut(), 100), "group=start") else { return };
    let notice = page.run("$('notices').textContent");
    assert!(notice.as_str().unwrap().starts_with("The run was cut off"), "{notice}");
    assert_eq!(
        page.run("$('verdict').textContent"),
        "5 items: 1 done, 1 not started, 1 failed · 2 not ended"
    );
    let said = page.run("row('sales[apac]').getAttribute('aria-label')");
    assert!(said.as_str().unwrap().starts_with("sales[apac], running, waited 2.00 s"), "{said}");
    let open = page.run("row('sales[apac]').querySelectorAll('.open').length");
    assert_eq!(open, 1, "an end that is not known is drawn as one");
}

#[test]
fn a_run_with_more_items_than_are_kept_says_how_many_are_left_out() {
    let Some(mut page) = open(&render(&many(400), 100), "") else { return };
    let notice = page.run("$('notices').textContent");
    assert!(notice.as_str().unwrap().starts_with("300 items left out"), "{notice}");
    assert_eq!(page.run(MATCHES), "100 items");
    assert_eq!(page.run("document.querySelectorAll('.whole').length"), 2, "all of them are in the charts");
}

#[test]
fn ten_thousand_items_are_scrolled_through_with_few_rows_in_the_page() {
    let html = render(&many(10_000), 20_000);
    assert!(html.len() < 3 << 20, "{} bytes", html.len());
    let Some(mut page) = open(&html, "") else { return };
    let most = page.run("scrollThrough()");
    assert!(number(&most) < 200.0, "{most}");
    page.settle();
    assert_eq!(page.run("names().at(-1)"), "inbox[2026/11/21/delivery-09999.csv]");
    assert_eq!(page.run("rows().at(-1).ariaRowIndex"), "10002");
    let bottoms = page.run("[rows().at(-1), $('chart')].map((at) => at.getBoundingClientRect().bottom)");
    assert!(number(&bottoms[0]) <= number(&bottoms[1]) + 1.0, "the last row is seen: {bottoms}");
    assert_eq!(page.run("$('rows').ariaRowCount"), "10002");
    page.run("$('chart').scrollTop -= 330");
    page.settle();
    let places = page.run("rows().map((row) => Number(row.ariaRowIndex))");
    let places: Vec<f64> = places.as_array().unwrap().iter().map(number).collect();
    assert!(places.windows(2).all(|pair| pair[1] == pair[0] + 1.0), "rows stand in their order: {places:?}");
    again(&mut page, "view=items&sort=bytes");
    let shown = page.run("[listed()[0], listed().length < 100].join()");
    assert_eq!(shown, "inbox[2026/11/21/delivery-09999.csv],true");
}

#[test]
fn rows_beyond_those_that_are_seen_are_printed() {
    let Some(mut page) = open(&render(&many(1000), 1000), "group=start") else { return };
    let seen = number(&page.run("rows().length"));
    page.run("dispatchEvent(new Event('beforeprint'))");
    let printed = page.run("[rows().length, $('more').textContent].join()");
    assert_eq!(printed, "500,and 500 more rows");
    page.run("dispatchEvent(new Event('afterprint'))");
    assert!(number(&page.run("rows().length")) <= seen);
}
