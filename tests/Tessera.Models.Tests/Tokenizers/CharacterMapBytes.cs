using System.Text;

namespace Tessera.Models.Tests.Tokenizers;

/// <summary>Compiles replacements into SentencePiece's map: a double-array trie, then strings that end with a zero byte.</summary>
internal static class CharacterMapBytes
{
    public static byte[] Compile(params (string From, string To)[] rules)
    {
        var strings = new MemoryStream();
        var root = new Node();
        foreach ((string from, string to) in rules)
        {
            Node node = root;
            foreach (byte value in Encoding.UTF8.GetBytes(from))
            {
                node = node.Children.TryGetValue(value, out Node? child) ? child : node.Children[value] = new Node();
            }

            node.Value = (int)strings.Length;
            strings.Write(Encoding.UTF8.GetBytes(to + "\0"));
        }

        var units = new SortedDictionary<int, uint> { [0] = 0 };
        Place(root, 0, units);
        int length = (units.Keys.Max() | 0xFF) + 1;
        var result = new MemoryStream();
        result.Write(BitConverter.GetBytes(4 * length));
        for (int i = 0; i < length; i++)
        {
            result.Write(BitConverter.GetBytes(units.GetValueOrDefault(i)));
        }

        result.Write(strings.ToArray());
        return result.ToArray();
    }

    // Children of a node at p stand at (p ^ distance) ^ byte, its value at (p ^ distance); the first distance that fits is taken.
    private static void Place(Node node, int at, SortedDictionary<int, uint> units)
    {
        int[] labels = [.. node.Children.Keys.Select(label => (int)label), .. node.Value is null ? Array.Empty<int>() : [0]];
        int distance = 1;
        while (labels.Any(label => units.ContainsKey(at ^ distance ^ label)))
        {
            distance++;
        }

        units[at] |= ((uint)distance << 10) | (node.Value is null ? 0u : 0x100u);
        if (node.Value is int value)
        {
            units[at ^ distance] = (uint)value | 0x80000000;
        }

        foreach (byte label in node.Children.Keys)
        {
            units[at ^ distance ^ label] = label;
        }

        foreach ((byte label, Node child) in node.Children)
        {
            Place(child, at ^ distance ^ label, units);
        }
    }

    private sealed class Node
    {
        public SortedDictionary<byte, Node> Children { get; } = [];

        public int? Value { get; set; }
    }
}
