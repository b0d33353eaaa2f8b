// What two cells of an ECP5 do: yosys has no model of them. A mode that is not modelled is refused: its instance
// names a module that does not exist.

// 18 x 18 bits without registers, as yosys makes it of a product.
module MULT18X18D (
    input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
    input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
    input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16,
    P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
);
    wire [17:0] a = {
        A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0
    };
    wire [17:0] b = {
        B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0
    };
    wire signed [35:0] wide_a = {{18{SIGNEDA & a[17]}}, a};
    wire signed [35:0] wide_b = {{18{SIGNEDB & b[17]}}, b};
    wire signed [35:0] product = wide_a * wide_b;
    assign {
        P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15,
        P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
    } = product;
endmodule

// One port of a DP16KD: where in a row of 18 bits an address is, what a write changes and a read shows. A row is two
// bytes of 9 bits; ports of 1, 2 and 4 bits leave the ninth unused; one of 36 bits is two rows.
module DP16KD_port #(
    parameter WIDTH = 18
) (
    input [13:0] address,
    input [35:0] data,
    input [35:0] rows,
    output [35:0] read,
    output [35:0] written,
    output [35:0] mask
);
    wire [4:0] place = WIDTH >= 18 ? 0 : (address[3] ? 9 : 0) + (WIDTH == 9 ? 0 : address[2:0] & -WIDTH);
    wire [35:0] bytes = {{9{address[3]}}, {9{address[2]}}, {9{address[1]}}, {9{address[0]}}};
    wire [35:0] all = 36'hFFFFFFFFF >> (36 - WIDTH);
    assign mask = WIDTH == 36 ? bytes : WIDTH == 18 ? bytes & all : all << place;
    assign written = data << place;
    assign read = (rows >> place) & all;
endmodule

// Block RAM of 18 Kbit without output registers. A read of what the other port writes in the same cycle gets the old
// data; whether a device gives them is for a board to show.
module DP16KD (
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3,
    DIA2, DIA1, DIA0,
    input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3,
    DOA2, DOA1, DOA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3,
    DIB2, DIB1, DIB0,
    input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3,
    DOB2, DOB1, DOB0
);
    parameter DATA_WIDTH_A = 18;
    parameter DATA_WIDTH_B = 18;
    parameter REGMODE_A = "NOREG";
    parameter REGMODE_B = "NOREG";
    parameter RESETMODE = "SYNC";
    parameter ASYNC_RESET_RELEASE = "SYNC";
    parameter CSDECODE_A = "0b000";
    parameter CSDECODE_B = "0b000";
    parameter WRITEMODE_A = "NORMAL";
    parameter WRITEMODE_B = "NORMAL";
    parameter CLKAMUX = "CLKA";
    parameter CLKBMUX = "CLKB";
    parameter GSR = "AUTO";
    parameter [319:0] INITVAL_00 = 0;
    parameter [319:0] INITVAL_01 = 0;
    parameter [319:0] INITVAL_02 = 0;
    parameter [319:0] INITVAL_03 = 0;
    parameter [319:0] INITVAL_04 = 0;
    parameter [319:0] INITVAL_05 = 0;
    parameter [319:0] INITVAL_06 = 0;
    parameter [319:0] INITVAL_07 = 0;
    parameter [319:0] INITVAL_08 = 0;
    parameter [319:0] INITVAL_09 = 0;
    parameter [319:0] INITVAL_0A = 0;
    parameter [319:0] INITVAL_0B = 0;
    parameter [319:0] INITVAL_0C = 0;
    parameter [319:0] INITVAL_0D = 0;
    parameter [319:0] INITVAL_0E = 0;
    parameter [319:0] INITVAL_0F = 0;
    parameter [319:0] INITVAL_10 = 0;
    parameter [319:0] INITVAL_11 = 0;
    parameter [319:0] INITVAL_12 = 0;
    parameter [319:0] INITVAL_13 = 0;
    parameter [319:0] INITVAL_14 = 0;
    parameter [319:0] INITVAL_15 = 0;
    parameter [319:0] INITVAL_16 = 0;
    parameter [319:0] INITVAL_17 = 0;
    parameter [319:0] INITVAL_18 = 0;
    parameter [319:0] INITVAL_19 = 0;
    parameter [319:0] INITVAL_1A = 0;
    parameter [319:0] INITVAL_1B = 0;
    parameter [319:0] INITVAL_1C = 0;
    parameter [319:0] INITVAL_1D = 0;
    parameter [319:0] INITVAL_1E = 0;
    parameter [319:0] INITVAL_1F = 0;
    parameter [319:0] INITVAL_20 = 0;
    parameter [319:0] INITVAL_21 = 0;
    parameter [319:0] INITVAL_22 = 0;
    parameter [319:0] INITVAL_23 = 0;
    parameter [319:0] INITVAL_24 = 0;
    parameter [319:0] INITVAL_25 = 0;
    parameter [319:0] INITVAL_26 = 0;
    parameter [319:0] INITVAL_27 = 0;
    parameter [319:0] INITVAL_28 = 0;
    parameter [319:0] INITVAL_29 = 0;
    parameter [319:0] INITVAL_2A = 0;
    parameter [319:0] INITVAL_2B = 0;
    parameter [319:0] INITVAL_2C = 0;
    parameter [319:0] INITVAL_2D = 0;
    parameter [319:0] INITVAL_2E = 0;
    parameter [319:0] INITVAL_2F = 0;
    parameter [319:0] INITVAL_30 = 0;
    parameter [319:0] INITVAL_31 = 0;
    parameter [319:0] INITVAL_32 = 0;
    parameter [319:0] INITVAL_33 = 0;
    parameter [319:0] INITVAL_34 = 0;
    parameter [319:0] INITVAL_35 = 0;
    parameter [319:0] INITVAL_36 = 0;
    parameter [319:0] INITVAL_37 = 0;
    parameter [319:0] INITVAL_38 = 0;
    parameter [319:0] INITVAL_39 = 0;
    parameter [319:0] INITVAL_3A = 0;
    parameter [319:0] INITVAL_3B = 0;
    parameter [319:0] INITVAL_3C = 0;
    parameter [319:0] INITVAL_3D = 0;
    parameter [319:0] INITVAL_3E = 0;
    parameter [319:0] INITVAL_3F = 0;

    generate
        if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG" || CSDECODE_A != "0b000"
            || CSDECODE_B != "0b000" || WRITEMODE_A == "WRITETHROUGH" || WRITEMODE_B == "WRITETHROUGH" || CLKAMUX != "CLKA"
            || CLKBMUX != "CLKB")
            this_mode_of_DP16KD_is_not_modelled refused ();
    endgenerate

    localparam [20479:0] INIT = {
        INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
        INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
        INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
        INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
        INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
        INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
        INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
        INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
    };
    reg [17:0] mem [0:1023];
    integer row;
    initial for (row = 0; row < 1024; row = row + 1) mem[row] = INIT[20*row+:18];

    wire [13:0] address_a = {
        ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0
    };
    wire [13:0] address_b = {
        ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0
    };
    wire [17:0] data_a = {
        DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2,
        DIA1, DIA0
    };
    wire [17:0] data_b = {
        DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2,
        DIB1, DIB0
    };
    // a port of 36 bits has the pins of both
    wire [35:0] i_a = {data_b, data_a};
    wire [35:0] i_b = DATA_WIDTH_B == 36 ? {data_b, data_a} : {18'b0, data_b};
    wire [9:0] row_a = DATA_WIDTH_A == 36 ? {address_a[13:5], 1'b0} : address_a[13:4];
    wire [9:0] row_b = DATA_WIDTH_B == 36 ? {address_b[13:5], 1'b0} : address_b[13:4];
    wire [35:0] read_a, read_b, written_a, written_b, mask_a, mask_b;
    DP16KD_port #(.WIDTH(DATA_WIDTH_A)) port_a (
        .address(address_a), .data(i_a), .rows({mem[row_a | 10'd1], mem[row_a]}),
        .read(read_a), .written(written_a), .mask(mask_a)
    );
    DP16KD_port #(.WIDTH(DATA_WIDTH_B)) port_b (
        .address(address_b), .data(i_b), .rows({mem[row_b | 10'd1], mem[row_b]}),
        .read(read_b), .written(written_b), .mask(mask_b)
    );

    reg [35:0] o_a = 0, o_b = 0;
    wire clear_a = RESETMODE == "ASYNC" && RSTA;
    wire clear_b = RESETMODE == "ASYNC" && RSTB;
    wire selected_a = CEA & ~CSA2 & ~CSA1 & ~CSA0;
    wire selected_b = CEB & ~CSB2 & ~CSB1 & ~CSB0;
    wire reads_a = ~WEA || WRITEMODE_A == "READBEFOREWRITE";
    wire reads_b = ~WEB || WRITEMODE_B == "READBEFOREWRITE";
    always @(posedge CLKA) begin
        if (selected_a & WEA) begin
            mem[row_a] <= mem[row_a] & ~mask_a[17:0] | written_a[17:0] & mask_a[17:0];
            if (DATA_WIDTH_A == 36)
                mem[row_a | 10'd1] <= mem[row_a | 10'd1] & ~mask_a[35:18] | written_a[35:18] & mask_a[35:18];
        end
    end
    always @(posedge CLKA, posedge clear_a)
        if (clear_a) o_a <= 0;
        else if (RSTA) o_a <= 0;
        else if (selected_a & reads_a) o_a <= read_a;
    always @(posedge CLKB) begin
        if (selected_b & WEB) begin
            mem[row_b] <= mem[row_b] & ~mask_b[17:0] | written_b[17:0] & mask_b[17:0];
            if (DATA_WIDTH_B == 36)
                mem[row_b | 10'd1] <= mem[row_b | 10'd1] & ~mask_b[35:18] | written_b[35:18] & mask_b[35:18];
        end
    end
    always @(posedge CLKB, posedge clear_b)
        if (clear_b) o_b <= 0;
        else if (RSTB) o_b <= 0;
        else if (selected_b & reads_b) o_b <= read_b;
    // a read of 36 bits takes the output pins of both ports; one of fewer by port B takes its own
    assign {
        DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
        DOB1, DOB0
    } = DATA_WIDTH_B == 36 ? o_b[35:18] : o_b[17:0];
    assign {
        DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2,
        DOA1, DOA0
    } = DATA_WIDTH_B == 36 ? o_b[17:0] : o_a[17:0];
endmodule
