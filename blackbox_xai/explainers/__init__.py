"""Local explainers: why did the model answer so on this input?"""
