//! How the page looks: both themes, their contrast, and narrow windows.

use super::known;
use serde_json::Value;

/// The least contrast of text that WCAG 2.2 asks for (1.4.3, AA).
const CONTRAST: f64 = 4.5;

#[test]
fn every_text_has_contrast_in_both_themes() {
    let Some(mut page) = known("") else { return };
    for theme in ["light", "dark"] {
        page.prefer("prefers-color-scheme", theme);
        for fragment in
            ["item=2", "group=lane&from=0&to=1500000", "view=items&item=1", "view=waits", "view=lost"]
        {
            super::again(&mut page, fragment);
            let texts = page.run("contrastOfTexts()");
            let texts = texts.as_array().unwrap();
            assert!(texts.len() > 25, "{theme} {fragment}: {texts:?}");
            let faint: Vec<&Value> =
                texts.iter().filter(|text| text[1].as_f64().unwrap() < CONTRAST).collect();
            assert!(faint.is_empty(), "{theme} {fragment}: {faint:?}");
        }
    }
}

#[test]
fn bars_have_contrast_to_the_ground_in_both_themes() {
    let Some(mut page) = known("") else { return };
    for theme in ["light", "dark"] {
        page.prefer("prefers-color-scheme", theme);
        for bar in page.run("contrastOfBars()").as_array().unwrap() {
            // Of what is not text (1.4.11).
            assert!(bar[1].as_f64().unwrap() >= 3.0, "{theme}: {bar}");
        }
    }
}

#[test]
fn the_theme_is_that_of_the_system_until_another_is_chosen() {
    let Some(mut page) = known("") else { return };
    let ground = "getComputedStyle(document.body).backgroundColor";
    page.prefer("prefers-color-scheme", "light");
    let light = page.run(ground);
    page.prefer("prefers-color-scheme", "dark");
    let dark = page.run(ground);
    assert_ne!(light, dark);
    page.run("change('theme', 'light')");
    assert_eq!(page.run(ground), light);
    super::again(&mut page, "");
    assert_eq!(page.run(ground), light, "it is kept");
}

#[test]
fn nothing_moves_by_itself() {
    let Some(mut page) = known("") else { return };
    assert_eq!(page.run("moving() + document.getAnimations().length"), 0);
}
