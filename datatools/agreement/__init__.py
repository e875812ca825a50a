"""How far annotators agree, from tables of labels."""
