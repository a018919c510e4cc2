//! The pages of the tool aliases, as a browser without a script uses them.

use serde_json::json;

use crate::browser::PageForm;
use crate::harness::App;

const ALIASES: &str = "/proxy-dashboard/patterns/aliases";
const NASTY: &str = "\"><script>alert('x')</script>&amp;</textarea>";

async fn form(app: &App, path: &str) -> PageForm {
    PageForm::of(&app.page(path).await, path)
}

#[tokio::test]
async fn aliases_are_made_changed_and_deleted() {
    let app = App::start();
    let rows = "/api/admin/tool-aliases";
    let page = app.page(ALIASES).await;
    assert!(page.contains("bash") && page.contains("filePath"), "{page}");
    let new = format!("{ALIASES}/new");
    let bad = form(&app, &new)
        .await
        .with("tool_name", NASTY)
        .send(&app)
        .await;
    assert_eq!(bad.status, 400);
    assert!(bad.error("parameter").is_some(), "{}", bad.page);
    let filled = PageForm::of(&bad.page, &new);
    assert_eq!(filled.value("tool_name"), NASTY);
    let filled = filled
        .with("parameter", "path")
        .with("aliases", "file\r\n\r\n dir ");
    filled.send(&app).await.leads_to(ALIASES);
    let id = app.get(rows).await.1.as_array().unwrap().len() as i64;
    let row = app.row(rows, id).await;
    assert_eq!(row["aliases"], json!(["file", "dir"]));
    let path = format!("{ALIASES}/{id}");
    let edit = form(&app, &path).await;
    assert_eq!(edit.value("aliases"), "file\ndir");
    let empty = edit.with("aliases", "").send(&app).await;
    assert!(empty.error("aliases").unwrap().contains("would do nothing"));
    let fill = PageForm::of(&empty.page, &path).with("fill", "x");
    fill.send(&app).await.leads_to(ALIASES);
    assert_eq!(app.row(rows, id).await["fill"], "x");
    let twice = form(&app, &new)
        .await
        .with("tool_name", NASTY)
        .with("parameter", "path")
        .with("fill", "y");
    let twice = twice.send(&app).await;
    assert_eq!(twice.status, 409);
    assert!(twice.error("parameter").is_some(), "{}", twice.page);
    let page = app.page(&format!("{ALIASES}?q=path&sort=-tool")).await;
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    let switch = PageForm::of(&page, &format!("{path}/enabled"));
    switch
        .send(&app)
        .await
        .leads_to(&format!("{ALIASES}?q=path&sort=-tool"));
    assert_eq!(app.row(rows, id).await["enabled"], 0);
    let delete = format!("{path}/delete");
    form(&app, &delete).await.send(&app).await.leads_to(ALIASES);
    let (_, left) = app.get(rows).await;
    assert!(!left.to_string().contains("<script"), "{left}");
}
