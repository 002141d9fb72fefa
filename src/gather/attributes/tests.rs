use crate::gather::{
    ATTRIBUTE_LENGTH, ATTRIBUTES, Advice, AttributeValue, Attributes, Clean, Context, EventKind, Gather,
    Item, Retries, Run, RunSettings, Timeouts,
};
use std::future::pending;
use std::time::Duration;

/// A run whose attributes lose every `secret`.
fn run() -> Run {
    let clean = Some(Clean::new(|text| text.replace("secret", "***").into()));
    Run::new(&RunSettings { events: Some(1000), clean, ..RunSettings::default() })
}

/// The attributes that were told, and nothing for each attempt that ended, in their order.
async fn told(run: &Run) -> Vec<Option<Attributes>> {
    let events = run.events().unwrap();
    events.close();
    let mut read = Vec::new();
    events.read(&mut read).await;
    let told = read.into_iter().filter_map(|event| match event.kind {
        EventKind::Attributes { attributes, .. } => Some(Some(attributes)),
        EventKind::AttemptEnded { .. } => Some(None),
        _ => None,
    });
    told.collect()
}

/// What an item said that says `what`.
async fn said(what: fn(&mut Attributes)) -> Attributes {
    let run = run();
    let item = Item::new(move |context: Context| async move {
        context.attributes(what);
        Ok::<_, ()>(())
    });
    Gather::over([item]).in_run(&run).run().await;
    let [Some(attributes), None] = &told(&run).await[..] else { panic!("told once, then ended") };
    attributes.clone()
}

#[tokio::test(start_paused = true)]
async fn attributes_are_told_once_an_attempt_however_it_ends() {
    let run = run();
    let item = Item::new(|context: Context| async move {
        context.attributes(|said| said.set("n", context.attempt()));
        context.attributes(|said| said.set("then", "more"));
        context.attributes(|said| said.set("then", "else"));
        match context.attempt() {
            1 => Err(()),
            2 => panic!("at two"),
            _ => pending::<Result<(), ()>>().await,
        }
    });
    let retries = Retries { count: 1, ..Retries::STANDARD };
    Gather::over([item]).in_run(&run).retries(retries).advice(|()| Advice::AGAIN).run().await;
    let hanging = Item::new(|context: Context| async move {
        context.attributes(|said| said.set("n", 3_u32));
        pending::<Result<(), ()>>().await
    });
    let timeouts = Timeouts { attempt: Some(Duration::from_secs(1)), ..Timeouts::default() };
    Gather::over([hanging]).in_run(&run).timeouts(timeouts).run().await;
    let told = told(&run).await;
    let numbers: Vec<_> = told.iter().map(|said| said.as_ref().and_then(|said| said.get("n"))).collect();
    let number = |n| Some(AttributeValue::Number(n));
    assert_eq!(numbers, [number(1).as_ref(), None, number(2).as_ref(), None, number(3).as_ref(), None]);
    assert_eq!(told[0].as_ref().unwrap().get("then").unwrap().text(), Some("else"));
}

#[tokio::test]
async fn attributes_are_bounded_and_cleaned_before_they_are_cut() {
    let many = said(|said| (0..100_u32).for_each(|n| said.set(format!("n{n}"), n))).await;
    assert_eq!(many.iter().count(), ATTRIBUTES);
    let long = said(|said| said.set("long", "ä".repeat(ATTRIBUTE_LENGTH))).await;
    assert_eq!(long.get("long").unwrap().text().unwrap().len(), ATTRIBUTE_LENGTH);
    let cut = said(|said| said.set("cut", format!("{}secret", "x".repeat(ATTRIBUTE_LENGTH - 3)))).await;
    assert!(cut.get("cut").unwrap().text().unwrap().ends_with("x***"), "half a secret is none");
}

#[tokio::test]
async fn nothing_is_built_where_nobody_listens() {
    let say = |_: &mut Attributes| panic!("nobody listens");
    Context::detached().attributes(say);
    let item = Item::new(move |context: Context| async move {
        context.attributes(say);
        Ok::<_, ()>(())
    });
    assert_eq!(Gather::over([item]).run().await.counts.done, 1);
}
