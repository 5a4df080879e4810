"""Application databases on the SVM: what is in force, updates, going back, own lists and rules."""
