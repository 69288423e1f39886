using System.Globalization;
using System.Text;

namespace Tessera.Devices;

/// <summary>
/// Which of the library's proposals is taken for a product: measured once, then read from a file of the kernel cache, so that every later
/// run takes the same and gets the same bits.
/// </summary>
/// <remarks>
/// A line is <c>product=number</c>. The file belongs to one kind of card and one version of the library. Lines that cannot be read are
/// passed over: their products are measured again. Processes that write at once may lose each other's lines, never spoil them.
/// </remarks>
/// <param name="cache">Where the file lies.</param>
/// <param name="name">Its name.</param>
internal sealed class ProductChoices(KernelCache cache, string name)
{
    private Dictionary<string, int>? _known;

    /// <summary>The number that was kept for a product, or null.</summary>
    public int? Find(string product) => (_known ??= Read()).TryGetValue(product, out int number) ? number : null;

    /// <summary>Keeps a number, with those that other processes have kept meanwhile: the first that was kept of a product stands.</summary>
    /// <returns>The number that stands.</returns>
    public int Keep(string product, int number)
    {
        Dictionary<string, int> all = Read();
        foreach (var (known, chosen) in _known ?? [])
        {
            all.TryAdd(known, chosen);
        }

        all.TryAdd(product, number);
        _known = all;
        var text = new StringBuilder();
        foreach (var (known, chosen) in all.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            text.Append(CultureInfo.InvariantCulture, $"{known}={chosen}\n");
        }

        cache.Write(name, Encoding.UTF8.GetBytes(text.ToString()));
        return all[product];
    }

    private Dictionary<string, int> Read()
    {
        var found = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (string line in Encoding.UTF8.GetString(cache.Read(name) ?? []).Split('\n'))
        {
            int sign = line.LastIndexOf('=');
            if (sign > 0 && int.TryParse(line.AsSpan(sign + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            {
                found[line[..sign]] = number;
            }
        }

        return found;
    }
}
