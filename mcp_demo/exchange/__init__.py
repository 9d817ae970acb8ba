"""An HTTP exchange: recorded, redacted (the only redactor) and rendered, for flow panel, notebooks and reports."""
