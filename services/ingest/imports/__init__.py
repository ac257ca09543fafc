"""Files of orders: uploaded, looked through, taken in, with the rows that failed given back."""
