namespace Tessera.Models.Configuration;

/// <summary>The window of every layer, by the rules of its family. A window of W tokens counts the token itself.</summary>
internal static class WindowReader
{
    private const int DefaultWindow = 4096;
    private const int DefaultWindowlessLayers = 28;
    private const string Sliding = "sliding_attention";
    private const string Full = "full_attention";

    public static int?[] Read(JsonFields root, WindowRule rule, int layers)
    {
        string[]? types = ReadTypes(root, layers);
        return rule switch
        {
            WindowRule.Everywhere => Everywhere(root, types, layers),
            WindowRule.FromLayer => FromLayer(root, types, layers),
            _ => Nowhere(root, types, layers),
        };
    }

    /// <summary>A <c>sliding_window</c>: a number of tokens, or null for none.</summary>
    public static int? ReadWindow(JsonFields fields, string key) =>
        fields.Has(key) ? fields.RequiredInteger(key, 1, ConfigurationLimits.Positions) : null;

    private static int?[] Nowhere(JsonFields root, string[]? types, int layers)
    {
        RequireAll(root, types, Full);
        return new int?[layers];
    }

    private static int?[] Everywhere(JsonFields root, string[]? types, int layers)
    {
        int? window = root.HasKey("sliding_window") ? ReadWindow(root, "sliding_window") : DefaultWindow;
        RequireAll(root, types, window is null ? Full : Sliding);
        return [.. Enumerable.Repeat(window, layers)];
    }

    private static int?[] FromLayer(JsonFields root, string[]? types, int layers)
    {
        if (!root.Flag("use_sliding_window"))
        {
            return Nowhere(root, types, layers);
        }

        int? window = root.HasKey("sliding_window") ? ReadWindow(root, "sliding_window") : DefaultWindow;
        if (window is null)
        {
            return Nowhere(root, types, layers);
        }

        int without = root.Integer("max_window_layers", DefaultWindowlessLayers, 0, int.MaxValue);
        return [.. Enumerable.Range(0, layers).Select(i => (types is null ? i >= without : types[i] == Sliding) ? window : null)];
    }

    private static void RequireAll(JsonFields root, string[]? types, string kind)
    {
        if (types is not null && types.Any(type => type != kind))
        {
            throw root.Fault("layer_types", $"\"{kind}\" in every layer, as the file's window settings say");
        }
    }

    private static string[]? ReadTypes(JsonFields root, int layers)
    {
        if (!root.Has("layer_types"))
        {
            return null;
        }

        List<string> types = root.Texts("layer_types");
        if (types.Count != layers)
        {
            throw root.Fault("layer_types", $"one entry for each of {layers} layers");
        }

        return types.TrueForAll(type => type is Full or Sliding)
            ? [.. types]
            : throw root.Fault("layer_types", $"\"{Full}\" or \"{Sliding}\", the kinds that are supported");
    }
}
