use super::files;
use crate::gather::{Brought, Change, EventKind, Role, State};
use crate::report::Timeline;
use crate::report::story::{Story, files as many};

fn lines(timeline: &Timeline) -> String {
    let mut out = Vec::new();
    files(timeline, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn an_item_with_an_output_has_a_line_and_no_other_has() {
    let mut story = Story::new(&[("sales", "postgres", None, true), ("fx", "http", None, false)], &[]);
    story.tell(0.0, EventKind::JobStarted { job: 2, name: "x".into(), role: Role::Pages, parent: Some(0) });
    story.queue(0.0, 2, 0, None).queue(0.0, 1, 0, None);
    story.queue(0.0, 0, 0, Some("emea")).queue(0.0, 0, 1, Some("a\nb"));
    let brought = |bytes, rows, output: &str, change| {
        let output = Some(output.to_owned()).filter(|output| !output.is_empty());
        Brought { bytes, rows, output, change, ..Brought::default() }
    };
    story.end(1.0, 2, 0, State::Done, None, brought(99, 0, "", None));
    story.end(1.0, 1, 0, State::Done, None, brought(0, 0, "fx/\"all\".json", Some(Change::Same)));
    story.end(1.0, 0, 1, State::Done, None, brought(640, 12, "out/a%0Ab.csv", Some(Change::New)));
    story.end(1.0, 0, 0, State::Failed, Some("no"), Brought::default());
    insta::assert_snapshot!(lines(&Timeline::of(&story.finish(1.0, 1))), @r#"
    {"job":"sales","key":"a\nb","output":"out/a%0Ab.csv","bytes":640,"rows":12,"change":"new","state":"done"}
    {"job":"fx","output":"fx/\"all\".json","bytes":0,"change":"same","state":"done"}
    "#);
}

#[test]
fn every_line_is_json_and_there_is_one_for_each_item_of_a_timeline_with_room_for_all() {
    let mut events = many(300);
    for event in &mut events {
        if let EventKind::ItemEnded { item, brought, .. } = &mut event.kind {
            brought.output = Some(format!("inbox/{item}.csv"));
        }
    }
    let mut timeline = Timeline::with_detail(usize::MAX);
    events.iter().for_each(|event| timeline.add(event));
    let lines = lines(&timeline);
    let read: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), 301);
    assert!(read.iter().all(|line| line["state"] == "done" && line["output"].is_string()));
}
