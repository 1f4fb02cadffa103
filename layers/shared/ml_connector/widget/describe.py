"""What the console shows when somebody adds the widget to a dashboard: Markdown."""

DOCUMENTATION = """\
## ml-connector: the audit trail

Finds any event in the trail, tells the story of a record, shows what is parked and how the connections are.
It only reads. *Send again* calls a second function, with the rights of whoever presses it.

### Parameters (all may be left out)

Parameter | Meaning
---|---
**view** | the page to begin with: `start` (the newest entries), `parked` or `connections`
**connection** | only this connection
**what** | with `view: search`: a document number, a Zoho id, a message or item id, or a pasted link
**state** | with `view: search`: an outcome, such as `delivered`, `retry` or `parked`
**day** | with `view: search`: a UTC day, `YYYY-MM-DD`

### Example

``` yaml
view: parked
connection: acme-eu
```

### Who may do what

To look, `lambda:InvokeFunction` on the function that ends in `-ops-widget`; to send again, on the one that ends in
`-ops-retry`.
"""
