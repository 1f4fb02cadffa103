"""ml-connector: accounting events from Zoho Books to Microsoft Teams and monday.com."""
