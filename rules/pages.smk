# Needs what was written, judged and fitted; makes pages of HTML to look at.
