using System.Globalization;

namespace Tessera.Training.Data.Blends;

/// <summary>Where a blend stands: its phase, and of every source documents, tokens, and tokens in this phase.</summary>
internal sealed class BlendState(int sources)
{
    // Sums of these stay within 64 bits, and each is exact as a double.
    private const long Most = 1L << 53;

    public int Phase { get; set; }

    public long[] Documents { get; } = new long[sources];

    public long[] Tokens { get; } = new long[sources];

    public long[] PhaseTokens { get; } = new long[sources];

    public void CopyFrom(BlendState other)
    {
        Phase = other.Phase;
        other.Documents.CopyTo(Documents, 0);
        other.Tokens.CopyTo(Tokens, 0);
        other.PhaseTokens.CopyTo(PhaseTokens, 0);
    }

    public void Reset()
    {
        Phase = 0;
        Array.Clear(Documents);
        Array.Clear(Tokens);
        Array.Clear(PhaseTokens);
    }

    /// <summary>As <c>PHASE;DOCUMENTS,TOKENS,PHASE TOKENS;…</c>.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"{Phase};{string.Join(';', Documents.Select((count, i) => FormattableString.Invariant($"{count},{Tokens[i]},{PhaseTokens[i]}")))}");

    /// <summary>Reads what <see cref="ToString"/> wrote, or says that it cannot be.</summary>
    public bool TryParse(string text, int phases)
    {
        string[] parts = text.Split(';');
        if (parts.Length != Documents.Length + 1 || !TryNumber(parts[0], out long phase) || phase >= phases)
        {
            return false;
        }

        for (int i = 0; i < Documents.Length; i++)
        {
            string[] numbers = parts[i + 1].Split(',');
            if (numbers.Length != 3 || !TryNumber(numbers[0], out Documents[i]) || !TryNumber(numbers[1], out Tokens[i])
                || !TryNumber(numbers[2], out PhaseTokens[i]) || PhaseTokens[i] > Tokens[i])
            {
                return false;
            }
        }

        Phase = (int)phase;
        return true;
    }

    private static bool TryNumber(string text, out long number) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number <= Most;
}
