"""Event model and the durable store on the SVM."""
