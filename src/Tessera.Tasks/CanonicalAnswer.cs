namespace Tessera.Tasks;

/// <summary>
/// Exact comparison of answers. An integer has one canonical spelling (no leading zeros, no plus sign, no minus zero), so
/// comparing texts element by element is comparing values, whatever their size.
/// </summary>
internal static class CanonicalAnswer
{
    internal static bool Equal(string expected, string actual)
    {
        string[] left = expected.Split(',');
        string[] right = actual.Split(',');
        if (left.Length != right.Length)
        {
            return false;
        }

        for (int i = 0; i < left.Length; i++)
        {
            if (!left[i].AsSpan().SequenceEqual(right[i].AsSpan().Trim()))
            {
                return false;
            }
        }

        return true;
    }
}
