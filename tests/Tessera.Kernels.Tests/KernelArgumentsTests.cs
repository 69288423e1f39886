using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Tessera.Devices;

namespace Tessera.Kernels.Tests;

/// <summary>What a kernel is given has the same fields in C# and in device code; without a card this is found out here.</summary>
public partial class KernelArgumentsTests
{
    private const BindingFlags Fields = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance;

    public static TheoryData<string, string> Kernels => [.. All().Select(kernel => (kernel.Source.File, kernel.Source.Entry)).Distinct()];

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Fields_have_the_same_kinds_in_the_same_order(string file, string entry)
    {
        string[] texts = [Text(file), .. Headers().Select(Text)];
        var parameter = Regex.Match(texts[0], $@"\b{entry}\(\s*const __grid_constant__ (\w+) \w+\)");
        Assert.True(parameter.Success, $"{file} has no entry {entry} with arguments by value");
        string structure = parameter.Groups[1].Value;
        string body = texts.Select(text => Regex.Match(text, $@"\bstruct {structure} \{{(.*?)\n\}};", RegexOptions.Singleline))
            .First(match => match.Success).Groups[1].Value;
        foreach (var kernel in All().Where(kernel => (kernel.Source.File, kernel.Source.Entry) == (file, entry)))
        {
            Assert.Equal(DeviceFields(body), kernel.Arguments.GetFields(Fields).Select(field => Kind(field.FieldType)));
        }
    }

    /// <summary>A block that left without waiting would let later kernels begin before earlier ones have ended.</summary>
    [Theory]
    [MemberData(nameof(Kernels))]
    public void Kernels_that_start_early_wait_before_a_block_can_end(string file, string entry)
    {
        string body = Regex.Match(Text(file), $@"\b{entry}\(\s*const __grid_constant__.*?(?=extern ""C""|\z)", RegexOptions.Singleline).Value;
        int wait = body.IndexOf("follow_previous();", StringComparison.Ordinal);
        wait = wait >= 0 ? wait : body.IndexOf("await_previous();", StringComparison.Ordinal);
        bool startsEarly = All().First(kernel => (kernel.Source.File, kernel.Source.Entry) == (file, entry)).Source.StartsEarly;
        Assert.Equal(startsEarly, wait >= 0);
        Assert.Equal(startsEarly, body.Contains("follow_previous();", StringComparison.Ordinal) || body.Contains("admit_next();", StringComparison.Ordinal));
        if (startsEarly)
        {
            Assert.DoesNotContain("return", body[..wait], StringComparison.Ordinal);
        }
    }

    /// <summary>Device code aligns a tensor map to 64 bytes, and with it what holds one: what is between its end and a multiple counts.</summary>
    [Fact]
    public void Arguments_with_tensor_maps_begin_with_them_and_end_at_a_multiple_of_their_alignment()
    {
        Type[] structures = [.. All().Select(kernel => kernel.Arguments).Distinct().Where(type => type.GetFields(Fields).Any(IsMap))];
        Assert.NotEmpty(structures);
        foreach (var structure in structures)
        {
            var fields = structure.GetFields(Fields);
            Assert.Equal(fields.Count(IsMap), fields.TakeWhile(IsMap).Count());
            int size = Marshal.SizeOf(structure), end = (int)Marshal.OffsetOf(structure, fields[^1].Name) + Marshal.SizeOf(fields[^1].FieldType);
            Assert.Equal((end + 63) / 64 * 64, size);
        }

        static bool IsMap(FieldInfo field) => field.FieldType.Name == "TensorMap";
    }

    [Fact]
    public void Kernels_are_found()
    {
        Assert.InRange(All().Count(), 30, int.MaxValue);
    }

    private static IEnumerable<(CudaKernelSource Source, Type Arguments)> All() =>
        from type in typeof(Residual).Assembly.GetTypes()
        from field in type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
        where typeof(CudaKernelSource).IsAssignableFrom(field.FieldType)
        select ((CudaKernelSource)field.GetValue(null)!, field.FieldType.GetGenericArguments()[0]);

    private static IEnumerable<string> Headers() =>
        typeof(Residual).Assembly.GetManifestResourceNames().Where(name => name.EndsWith(".cuh", StringComparison.Ordinal));

    private static string Text(string resource)
    {
        using var stream = typeof(Residual).Assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"there is no device code {resource}");
        using var reader = new StreamReader(stream);
        return Comment().Replace(reader.ReadToEnd(), string.Empty);
    }

    /// <summary>One kind a declarator: <c>const int *a, *b; long c, d;</c> are P, P, long, long.</summary>
    private static IEnumerable<string> DeviceFields(string body)
    {
        foreach (string declaration in body.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            string[] declarators = declaration.Split(',', StringSplitOptions.TrimEntries);
            string type = Name().Replace(declarators[0], string.Empty).Trim();
            foreach (string declarator in declarators)
            {
                bool points = declarator.Contains('*', StringComparison.Ordinal);
                yield return points ? "pointer" : type.Replace("unsigned ", string.Empty, StringComparison.Ordinal) switch
                {
                    "long" or "long long" => "8 bytes",
                    "int" or "unsigned" => "4 bytes",
                    string other => other,
                };
            }
        }
    }

    private static string Kind(Type type) =>
        type.IsPointer || type == typeof(nint) ? "pointer"
        : type == typeof(long) || type == typeof(ulong) ? "8 bytes"
        : type == typeof(int) || type == typeof(uint) ? "4 bytes"
        : type == typeof(float) ? "float"
        : type == typeof(double) ? "double"
        : type.Name;

    [GeneratedRegex(@"//[^\n]*")]
    private static partial Regex Comment();

    [GeneratedRegex(@"[\w]+$")]
    private static partial Regex Name();
}
