"""Pay periods: are they complete, closed, approved; and the files that payroll takes."""
