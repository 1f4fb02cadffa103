"""Stand-ins of Zoho Books, Microsoft (Entra, Bot Connector, Graph, Workflows) and monday.com.

They are as strict as the contracts: what the real service refuses is refused here, in the same shape.
"""
