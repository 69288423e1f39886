using System.Reflection;
using System.Text.RegularExpressions;
using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>Everything that the compiler reads for a variant of a kernel.</summary>
/// <param name="File">Name of the source.</param>
/// <param name="Text">The source.</param>
/// <param name="Headers">Headers that it includes, and those that they include, by name in order of name.</param>
/// <param name="Defines">Options <c>-DNAME=VALUE</c>.</param>
internal sealed partial record KernelSourceText(
    string File, string Text, IReadOnlyList<(string Name, string Text)> Headers, IReadOnlyList<string> Defines)
{
    /// <summary>Reads a kernel's source and headers from the resources of its assembly.</summary>
    /// <exception cref="CudaException">A file is missing, or the variant has another number of values than the kernel defines.</exception>
    public static KernelSourceText Of(CudaKernelSource kernel, in KernelVariant variant)
    {
        if (variant.Count != kernel.Defines.Count)
        {
            throw new CudaException(
                "nvrtcCompileProgram", 0, $"{kernel.Entry} is specialised by {kernel.Defines.Count} numbers and was given {variant.Count}");
        }

        string text = Resource(kernel.Assembly, kernel.File, kernel.File);
        var headers = new SortedDictionary<string, string>(StringComparer.Ordinal);
        Collect(kernel.Assembly, kernel.File, text, headers);
        string[] defines = new string[variant.Count];
        for (int i = 0; i < defines.Length; i++)
        {
            defines[i] = $"-D{kernel.Defines[i]}={variant[i]}";
        }

        return new KernelSourceText(kernel.File, text, [.. headers.Select(header => (header.Key, header.Value))], defines);
    }

    private static void Collect(Assembly assembly, string from, string text, SortedDictionary<string, string> headers)
    {
        foreach (Match include in Include().Matches(text))
        {
            string name = include.Groups[1].Value;
            if (!headers.ContainsKey(name))
            {
                string header = Resource(assembly, name, from);
                headers.Add(name, header);
                Collect(assembly, name, header, headers);
            }
        }
    }

    private static string Resource(Assembly assembly, string name, string wantedBy)
    {
        using Stream stream = assembly.GetManifestResourceStream(name) ?? throw new CudaException(
            "nvrtcCreateProgram", 0, $"{name}, which {wantedBy} needs, is not a resource of {assembly.GetName().Name}");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    [GeneratedRegex("^[ \\t]*#[ \\t]*include[ \\t]+\"([^\"]+)\"", RegexOptions.Multiline)]
    private static partial Regex Include();
}
