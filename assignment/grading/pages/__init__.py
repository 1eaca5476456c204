"""The two pages that show what was handed in: the student's feedback, and the lecturer's page of a submission."""
