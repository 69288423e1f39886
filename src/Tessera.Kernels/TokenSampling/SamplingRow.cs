namespace Tessera.Kernels;

/// <summary>How the token of one row of logits is drawn; lies in a device's memory.</summary>
/// <param name="Seed">Seed of the sequence's noise.</param>
/// <param name="Temperature">0 takes the likeliest token; above, logits are divided by it.</param>
/// <param name="TopP">Draw from the smallest set of likeliest tokens whose mass reaches this; 1 for all.</param>
/// <param name="TopK">Draw from this many likeliest tokens; 0 for all.</param>
/// <param name="Position">Position of the new token in its sequence.</param>
public readonly record struct SamplingRow(ulong Seed, float Temperature, float TopP, int TopK, int Position);
